import { Pull } from 'zeromq';
import { afterEach, describe, expect, it } from 'vitest';
import { PublisherOpenError, PushPublisher } from '../../src/publisher/push.ts';
import { encoded } from '../../src/simulator/outgoing.ts';
import { sendStream } from '../../src/simulator/send.ts';
import { events } from '../../src/simulator/simulation.ts';

const TCP = 'tcp://127.0.0.1:0';
const BIG = [Buffer.from('settlement'), Buffer.alloc(100_000)] as const;
const opened: { close: () => unknown }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

async function publisherOf(
  options: Partial<Parameters<typeof PushPublisher.open>[0]> = {},
): Promise<PushPublisher> {
  const publisher = await PushPublisher.open({ endpoint: TCP, lingerMs: 2000, ...options });
  opened.push(publisher);
  return publisher;
}

function pullFrom(endpoint: string | undefined, receiveHighWaterMark = 1000): Pull {
  const pull = new Pull({ receiveHighWaterMark, linger: 0 });
  opened.push(pull);
  if (endpoint !== undefined) pull.connect(endpoint);
  return pull;
}

async function receive(pull: Pull, messages: number): Promise<Buffer[][]> {
  const received: Buffer[][] = [];
  while (received.length < messages) received.push(await pull.receive());
  return received;
}

describe('a push publisher', () => {
  it('hands a whole stream to a peer over tcp, byte for byte and in order', async () => {
    const publisher = await publisherOf();
    expect(publisher.endpoint).toMatch(/^tcp:\/\/127\.0\.0\.1:[1-9]\d+$/);
    const pull = pullFrom(publisher.endpoint);
    const sending = sendStream(encoded(events({ trades: 2000 })), publisher);
    const expected = [...encoded(events({ trades: 2000 }))].map(({ frames }) => frames.map(String));
    const received = await receive(pull, expected.length);
    expect(received.map((frames) => frames.map(String))).toEqual(expected);
    const sent = await sending;
    expect(sent.messages).toBe(expected.length);
    expect(sent.counts['TRADE']).toBe(2000);
    expect([sent.firstSequence, sent.lastSequence]).toEqual([1n, BigInt(expected.length)]);
    expect(await publisher.close()).toBe('delivered');
  });

  it('connects to a peer that binds, which may come later', async () => {
    const probe = await publisherOf();
    const endpoint = probe.endpoint;
    await probe.close();
    const publisher = await publisherOf({ endpoint, connect: true });
    expect(await publisher.waitForPeer(50)).toBe(false);
    const sending = publisher.publish([Buffer.from('settlement'), Buffer.from('{}')]);
    const pull = pullFrom(undefined);
    await pull.bind(endpoint);
    expect(await publisher.waitForPeer(5000)).toBe(true);
    await sending;
    expect((await pull.receive()).map(String)).toEqual(['settlement', '{}']);
  });

  it('keeps the order of messages that are published without waiting for each', async () => {
    const publisher = await publisherOf({ sendHighWaterMark: 5 });
    const pull = pullFrom(publisher.endpoint, 5);
    const numbers = Array.from({ length: 500 }, (_, i) => String(i));
    const sending = Promise.all(
      numbers.map((each) => publisher.publish([Buffer.from('t'), Buffer.from(each)])),
    );
    expect((await receive(pull, 500)).map((frames) => String(frames[1]))).toEqual(numbers);
    await sending;
  });

  it('waits while the peer does not read, for longer than any heartbeat would, and loses nothing', async () => {
    const publisher = await publisherOf({ sendHighWaterMark: 10 });
    const pull = pullFrom(publisher.endpoint, 10);
    let published = 0;
    const sending = (async () => {
      for (; published < 300; published++) await publisher.publish(BIG);
    })();
    await publisher.waitForPeer(5000);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(published).toBeLessThan(300);
    await receive(pull, 300);
    await sending;
    expect(publisher.peersLost).toBe(0);
  });

  it('hands over what is queued before its close ends', async () => {
    const publisher = await publisherOf({ lingerMs: 20_000 });
    const pull = pullFrom(publisher.endpoint, 10);
    await publisher.waitForPeer(5000);
    for (let i = 0; i < 500; i++) await publisher.publish(BIG);
    const closing = publisher.close();
    expect(await receive(pull, 500)).toHaveLength(500);
    expect(await closing).toBe('delivered');
    await expect(publisher.publish(BIG)).rejects.toThrow(/closed/);
  });

  it('says so when the peer does not take what is queued in time', async () => {
    const publisher = await publisherOf({ lingerMs: 300 });
    pullFrom(publisher.endpoint, 1);
    await publisher.waitForPeer(5000);
    for (let i = 0; i < 500; i++) await publisher.publish(BIG);
    expect(await publisher.close()).toBe('timed-out');
  });

  it('says so when the peer is lost with messages that it had not taken', async () => {
    const publisher = await publisherOf({ lingerMs: 5000 });
    const pull = pullFrom(publisher.endpoint, 1);
    await publisher.waitForPeer(5000);
    for (let i = 0; i < 500; i++) await publisher.publish(BIG);
    const closing = publisher.close();
    pull.close();
    expect(await closing).toBe('peer-lost');
  });

  it('names the endpoint that it cannot open', async () => {
    const first = await publisherOf();
    const failure = await PushPublisher.open({ endpoint: first.endpoint }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PublisherOpenError);
    expect((failure as Error).message).toContain(first.endpoint);
    await expect(PushPublisher.open({ endpoint: 'tcp://nonsense', connect: true })).rejects.toThrow(
      PublisherOpenError,
    );
  });

  it('sends at the rate that was asked for', async () => {
    const publisher = await publisherOf();
    pullFrom(publisher.endpoint);
    await publisher.waitForPeer(5000);
    const startMs = performance.now();
    const sent = await sendStream(encoded(events()), publisher, { ratePerSecond: 400 });
    const elapsedMs = performance.now() - startMs;
    // The first burst may be as large as the catch-up; no later one.
    expect(elapsedMs).toBeGreaterThan((sent.messages / 400) * 1000 - 200);
    expect(elapsedMs).toBeLessThan((sent.messages / 400) * 1000 + 1500);
  });

  it('keeps the rate for what is new, not for what was published before', async () => {
    const all = [...encoded(events())];
    const published: (bigint | undefined)[] = [];
    const sink = {
      publish: (_frames: unknown, sequence: bigint | undefined) =>
        Promise.resolve(void published.push(sequence)),
      isPublished: (sequence: bigint | undefined) => sequence !== undefined && sequence < 200n,
    };
    const startMs = performance.now();
    // At this rate, all of them take minutes.
    await sendStream(all.slice(0, 202), sink, { ratePerSecond: 2 });
    expect(performance.now() - startMs).toBeGreaterThan(500);
    expect(performance.now() - startMs).toBeLessThan(10_000);
    expect(published).toHaveLength(202);
  });
});
