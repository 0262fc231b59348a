/** The publisher over real sockets: what it promises to an engine, and what it answers to ingests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ClassicLevel } from 'classic-level';
import { Dealer, Pull } from 'zeromq';
import {
  type CurveKeys,
  InvalidEventError,
  type NamedKey,
  newCurveKeys,
  NumberingError,
  OutboxFullError,
  Publisher,
  PublisherClosedError,
  TooManyWaitingError,
  type PublishedEvent,
  type PublisherNotice,
  type PublisherOptions,
} from 'settled/publisher';
import { secureSocket } from '../../src/curve/index.ts';
import { encodeControl, type ControlMessage } from '../../src/wire/control.ts';
import { Peer } from './peer.ts';

let folder = '';
let notices: PublisherNotice[] = [];
const opened: { close(): unknown }[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'settled-publisher-'));
  notices = [];
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  rmSync(folder, { recursive: true, force: true });
});

async function publisherOf(options: Partial<PublisherOptions> = {}): Promise<Publisher> {
  const publisher = await Publisher.open({
    stream: 'main',
    outbox: join(folder, 'outbox'),
    endpoint: 'tcp://127.0.0.1:*',
    controlEndpoint: 'tcp://127.0.0.1:*',
    onNotice: (notice) => notices.push(notice),
    ...options,
  });
  opened.push(publisher);
  return publisher;
}

function peerOf(publisher: Publisher, receiveHighWaterMark?: number): Peer {
  const peer = new Peer(publisher, receiveHighWaterMark);
  opened.push(peer);
  return peer;
}

const deposit = (more: Partial<PublishedEvent> = {}): PublishedEvent => ({
  user_id: 1n,
  event_type: 'DEPOSIT',
  amount: 5n,
  currency: 2n,
  related_id: 0n,
  created_at: 0n,
  version: 0n,
  ...more,
});

const many = (publisher: Publisher, count: number): Promise<bigint[]> =>
  Promise.all(Array.from({ length: count }, () => publisher.publish(deposit())));

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

async function heard(kind: PublisherNotice['kind']): Promise<string> {
  await vi.waitFor(() => expect(notices.map((one) => one.kind)).toContain(kind), 5_000);
  return notices.find((one) => one.kind === kind)!.text;
}

describe('publishing', () => {
  test('numbers events, keeps them without a peer, and sends them in order to the one that comes', async () => {
    const publisher = await publisherOf();
    expect((await many(publisher, 700)).map(Number)).toEqual(range(1, 700));
    expect(publisher.status).toMatchObject({ last: 700n, events: 700, sent: 0, waiting: 0 });
    expect(await peerOf(publisher).numbers(700)).toEqual(range(1, 700));
  });

  test('takes numbers that continue the stream and refuses others, without using them up', async () => {
    const publisher = await publisherOf({ firstSequence: 41n });
    expect(await publisher.publish(deposit({ sequence_id: 41n }))).toBe(41n);
    await expect(publisher.publish(deposit({ sequence_id: 41n }))).rejects.toThrow(
      'sequence 41, but the outbox goes on at 42: that number was published before',
    );
    await expect(publisher.publish(deposit({ sequence_id: 45n }))).rejects.toThrow(
      '42 to 44 were never published',
    );
    const json = (sequence: number): Buffer =>
      Buffer.from(
        `{"user_id":1,"sequence_id":${sequence},"event_type":"DEPOSIT","amount":1,"currency":2,"related_id":0,"created_at":0,"version":1}`,
      );
    await expect(publisher.publish(json(43))).rejects.toThrow(NumberingError);
    expect(await publisher.publish(json(42))).toBe(42n);
    expect(await publisher.publish(deposit())).toBe(43n);
    // What is settled below its first number is none of its own.
    const peer = peerOf(publisher);
    await peer.numbers(3);
    await peer.say({ type: 'settled', stream: 'main', upTo: 40n, lease: 1n });
    await peer.say({ type: 'settled', stream: 'main', upTo: 42n, lease: 1n });
    await vi.waitFor(() => expect(publisher.status.settledUpTo).toBe(42n));
    expect(notices.map(({ kind }) => kind)).not.toContain('outbox-failed');
  });

  test('refuses what every ingest would refuse, with all faults, and uses no number for it', async () => {
    const publisher = await publisherOf();
    const bad = publisher.publish(deposit({ amount: 0n, currency: 2n ** 40n }));
    await expect(bad).rejects.toThrow(InvalidEventError);
    await expect(bad).rejects.toThrow(/not-positive: amount is 0.*out-of-range|out-of-range.*not-positive/);
    await expect(publisher.publish(Buffer.from('{'))).rejects.toThrow(InvalidEventError);
    expect(await publisher.publish(deposit())).toBe(1n);
  });

  test('continues the numbering after a restart, and sends again what no one is known to have', async () => {
    const before = await publisherOf();
    await many(before, 10);
    const peer = peerOf(before);
    await peer.numbers(10);
    await peer.say({ type: 'settled', stream: 'main', upTo: 6n, lease: 1n });
    await vi.waitFor(() => expect(before.status.settledUpTo).toBe(6n));
    await before.close();
    const after = await publisherOf();
    expect(after.status).toMatchObject({ last: 10n, settledUpTo: 6n, oldest: 1n, cursor: 7n });
    expect(await after.publish(deposit())).toBe(11n);
    expect(await peerOf(after).numbers(5)).toEqual(range(7, 11));
  });

  test('is refused when it is closed, with what waited', async () => {
    const publisher = await publisherOf({ eventsMax: 3 });
    await many(publisher, 3);
    const waiting = publisher.publish(deposit());
    waiting.catch(() => undefined);
    await publisher.close();
    await expect(waiting).rejects.toThrow(PublisherClosedError);
    await expect(publisher.publish(deposit())).rejects.toThrow(PublisherClosedError);
    const again = await publisherOf();
    expect(again.status.last).toBe(3n);
  });
});

describe('a full outbox', () => {
  const settled = (upTo: bigint): ControlMessage => ({ type: 'settled', stream: 'main', upTo, lease: 1n });

  test('makes publishing wait until something is settled, in order, for a bounded number of publishes', async () => {
    const publisher = await publisherOf({ eventsMax: 5, waitingMax: 2 });
    for (let count = 0; count < 5; count += 1) await publisher.publish(deposit());
    let isPublished = false;
    const sixth = publisher.publish(deposit()).then((sequence) => {
      isPublished = true;
      return sequence;
    });
    const seventh = publisher.publish(deposit());
    await expect(publisher.publish(deposit())).rejects.toThrow(TooManyWaitingError);
    await sleep(100);
    expect(isPublished).toBe(false);
    const peer = peerOf(publisher);
    await peer.say(settled(1n));
    expect(await sixth).toBe(6n);
    expect(publisher.status).toMatchObject({ last: 6n, waiting: 1 });
    await peer.say(settled(2n));
    expect(await seventh).toBe(7n);
  });

  test('refuses, where that is wanted, and says what holds it up', async () => {
    const publisher = await publisherOf({ eventsMax: 3, whenFull: 'refuse' });
    await many(publisher, 3);
    const refused = publisher.publish(deposit());
    await expect(refused).rejects.toThrow(OutboxFullError);
    await expect(refused).rejects.toThrow('sequence 4 is refused: the outbox is full (3 events');
    await peerOf(publisher).say(settled(1n));
    await vi.waitFor(async () => expect(await publisher.publish(deposit())).toBe(4n));
  });

  test('refuses also what would be beyond it together with what is being written', async () => {
    const publisher = await publisherOf({ eventsMax: 3, whenFull: 'refuse' });
    const written = [1, 2, 3].map(() => publisher.publish(deposit()));
    await new Promise(setImmediate);
    await expect(publisher.publish(deposit())).rejects.toThrow(OutboxFullError);
    expect(await Promise.all(written)).toEqual([1n, 2n, 3n]);
    expect(publisher.status).toMatchObject({ last: 3n, waiting: 0 });
  });

  test('is bounded in bytes as well', async () => {
    const publisher = await publisherOf({ bytesMax: 1024 * 1024, whenFull: 'refuse' });
    const note = `,"note":"${'x'.repeat(16_000)}"}`;
    let taken = 0;
    for (;;) {
      const json = `{"user_id":1,"sequence_id":${taken + 1},"event_type":"DEPOSIT","amount":1,"currency":2,"related_id":0,"created_at":0,"version":1${note}`;
      try {
        await publisher.publish(Buffer.from(json));
      } catch (error) {
        expect(error).toBeInstanceOf(OutboxFullError);
        break;
      }
      taken += 1;
    }
    expect(taken).toBeGreaterThan(60);
    expect(publisher.status.bytes).toBeLessThanOrEqual(1024 * 1024);
  });

  test('lets settled events go before their time rather than hold the engine up, and says so', async () => {
    const publisher = await publisherOf({ eventsMax: 100 });
    await many(publisher, 100);
    const peer = peerOf(publisher);
    await peer.say(settled(90n));
    await vi.waitFor(() => expect(publisher.status.settledUpTo).toBe(90n));
    await many(publisher, 90);
    expect(publisher.status).toMatchObject({ last: 190n, oldest: 90n });
    expect(await heard('grace-cut')).toMatch(/settled events 1 to \d+ were trimmed/);
  });
});

describe('an ingest that asks', () => {
  test('is sent the stream again from there, in order, and then what follows', async () => {
    const publisher = await publisherOf();
    await many(publisher, 600);
    const peer = peerOf(publisher);
    await peer.until(600);
    await peer.say({ type: 'resume', stream: 'main', from: 250n, lease: 1n });
    expect(await peer.numbers(351)).toEqual(range(250, 600));
    await publisher.publish(deposit());
    expect(await peer.numbers(1)).toEqual([601]);
    expect(publisher.status.resumes).toBe(1);
  });

  test('while messages are on their way to it gets those first, and then the stream from there without a gap', async () => {
    const publisher = await publisherOf({ sendHighWaterMark: 5 });
    await many(publisher, 3_000);
    const peer = peerOf(publisher, 5);
    await peer.numbers(100);
    await peer.say({ type: 'resume', stream: 'main', from: 40n, lease: 1n });
    const numbers = await peer.until(3_000);
    const back = numbers.indexOf(40);
    expect(numbers.slice(back)).toEqual(range(40, 3_000));
    expect(numbers.slice(0, back)).toEqual(range(101, 100 + back));
  });

  test('after another was lost in the middle gets what that one had in its buffers', async () => {
    const publisher = await publisherOf({ sendHighWaterMark: 50 });
    await many(publisher, 2_000);
    const first = peerOf(publisher, 50);
    await first.numbers(120);
    first.close();
    const second = peerOf(publisher, 50);
    await second.say({ type: 'resume', stream: 'main', from: 100n, lease: 2n });
    // What the publisher sent on before it was asked may come first, up to the last one.
    await second.until(100);
    const numbers = [100, ...(await second.until(2_000))];
    expect(numbers.slice(numbers.lastIndexOf(100))).toEqual(range(100, 2_000));
  });

  test('not at all gets everything that is not known to be settled, after a moment', async () => {
    const publisher = await publisherOf();
    await many(publisher, 20);
    const first = peerOf(publisher);
    await first.say({ type: 'settled', stream: 'main', upTo: 5n, lease: 1n });
    await first.until(20);
    await vi.waitFor(() => expect(publisher.status.settledUpTo).toBe(5n));
    first.close();
    expect(await peerOf(publisher).numbers(15)).toEqual(range(6, 20));
  });

  test('for what was trimmed is told what the oldest is', async () => {
    const publisher = await publisherOf({ eventsMax: 10 });
    await many(publisher, 10);
    const peer = peerOf(publisher);
    await peer.say({ type: 'settled', stream: 'main', upTo: 10n, lease: 1n });
    await vi.waitFor(() => expect(publisher.status.settledUpTo).toBe(10n));
    await many(publisher, 10);
    await peer.say({ type: 'resume', stream: 'main', from: 9n, lease: 1n });
    expect(await peer.answer()).toBe('{"type":"unavailable","oldest":10}');
    expect(await heard('unavailable')).toContain('sequence 9 was asked for');
  });

  test('for more than was ever published is sent all there is, to compare', async () => {
    const publisher = await publisherOf();
    await many(publisher, 3);
    const peer = peerOf(publisher);
    await peer.until(3);
    await peer.say({ type: 'resume', stream: 'main', from: 50n, lease: 1n });
    expect(await peer.numbers(3)).toEqual([1, 2, 3]);
    expect(await heard('beyond')).toContain('only up to 3 was ever published here');
  });

  // An outbox that was lost and filled anew, just one event short of what is settled (simulation, seed 40783).
  test('for the very next is sent all there is as well: the ingest has received what was never published here', async () => {
    const publisher = await publisherOf();
    await many(publisher, 3);
    const peer = peerOf(publisher);
    await peer.until(3);
    await peer.say({ type: 'resume', stream: 'main', from: 4n, lease: 1n });
    expect(await peer.numbers(3)).toEqual([1, 2, 3]);
    expect(await heard('beyond')).toContain(
      'sequence 4 was asked for, but only up to 3 was ever published here',
    );
  });

  // Messages go to the peers in turn: with as many in each answer, the same ones would go to the same peers each time.
  test.each([2, 3, 5])(
    'gets the first and the next each time, though %i are connected and the others read nothing',
    async (peers) => {
      const publisher = await publisherOf();
      const peer = peerOf(publisher);
      for (let count = 1; count < peers; count += 1) peerOf(publisher);
      await vi.waitFor(() => expect(publisher.status.peers).toBe(peers));
      await many(publisher, 8);
      for (let received = 1; received < 8; received += 1) {
        await peer.say({ type: 'resume', stream: 'main', from: BigInt(received), lease: 1n });
        const numbers: number[] = [];
        // What was sent before may come first.
        const next = (): number => numbers.indexOf(received + 1, numbers.lastIndexOf(received));
        while (!numbers.includes(received) || next() < 0) numbers.push(...(await peer.numbers(1)));
      }
    },
  );

  test('from 1 waits for the first where nothing was published', async () => {
    const publisher = await publisherOf();
    const peer = peerOf(publisher);
    await peer.say({ type: 'resume', stream: 'main', from: 1n, lease: 1n });
    await vi.waitFor(() => expect(publisher.status.resumes).toBe(1));
    await many(publisher, 2);
    expect(await peer.numbers(2)).toEqual([1, 2]);
    // Nor is it news that somebody asks who has it all.
    await peer.say({ type: 'resume', stream: 'main', from: 2n, lease: 1n });
    expect(await peer.numbers(1)).toEqual([2]);
    expect(notices).toEqual([]);
  });
});

describe('a control message', () => {
  test('of an older lease than was heard of is ignored, after a restart too, and that is said', async () => {
    const publisher = await publisherOf();
    await many(publisher, 5);
    const peer = peerOf(publisher);
    await peer.say({ type: 'resume', stream: 'main', from: 1n, lease: 7n });
    await heard('resumed');
    await peer.say({ type: 'settled', stream: 'main', upTo: 5n, lease: 6n });
    expect(await heard('old-lease')).toContain('settled of lease 6 was ignored: lease 7');
    expect(await peer.answer()).toBe('{"type":"old-lease","lease":7}');
    expect(publisher.status.settledUpTo).toBe(0n);
    await publisher.close();
    notices = [];
    const again = await publisherOf();
    await peerOf(again).say({ type: 'resume', stream: 'main', from: 1n, lease: 6n });
    await heard('old-lease');
    expect(again.status.resumes).toBe(0);
  });

  test('of a new lease is not listened to before that lease stands on disk', async () => {
    const publisher = await publisherOf();
    await many(publisher, 5);
    const peer = peerOf(publisher);
    const put = vi.spyOn(ClassicLevel.prototype, 'put').mockRejectedValueOnce(new Error('disk full'));
    try {
      await peer.say({ type: 'resume', stream: 'main', from: 1n, lease: 7n });
      expect(await heard('outbox-failed')).toContain('the outbox failed at resume: Error: disk full');
      expect(publisher.status.resumes).toBe(0);
      await peer.say({ type: 'resume', stream: 'main', from: 1n, lease: 7n });
      await heard('resumed');
    } finally {
      put.mockRestore();
    }
    await publisher.close();
    notices = [];
    const again = await publisherOf();
    await peerOf(again).say({ type: 'settled', stream: 'main', upTo: 5n, lease: 6n });
    expect(await heard('old-lease')).toContain('settled of lease 6 was ignored: lease 7');
    expect(again.status.settledUpTo).toBe(0n);
  });

  test('for another stream, of nonsense, or beyond what was published changes nothing', async () => {
    const publisher = await publisherOf();
    await many(publisher, 5);
    const peer = peerOf(publisher);
    await peer.say({ type: 'settled', stream: 'other', upTo: 5n, lease: 1n });
    await heard('other-stream');
    for (const text of [
      '',
      '{',
      '[]',
      '{"type":"resume"}',
      '{"type":"dance"}',
      '{"type":"unavailable","oldest":1}',
    ])
      await peer.say(text);
    await vi.waitFor(() => expect(notices.filter(({ kind }) => kind === 'bad-control')).toHaveLength(6));
    await peer.say({ type: 'settled', stream: 'main', upTo: 6n, lease: 1n });
    await heard('beyond');
    expect(publisher.status).toMatchObject({ settledUpTo: 0n, oldest: 1n });
    await peer.say({ type: 'settled', stream: 'main', upTo: 5n, lease: 1n });
    await vi.waitFor(() => expect(publisher.status.settledUpTo).toBe(5n));
  });
});

test('what a peer says again and again is told of a few times, and then seldom', async () => {
  const publisher = await publisherOf();
  await many(publisher, 1);
  const peer = peerOf(publisher);
  await peer.say({ type: 'resume', stream: 'main', from: 1n, lease: 7n });
  for (let count = 0; count < 100; count += 1) {
    await peer.say('nonsense');
    await peer.say({ type: 'settled', stream: 'other', upTo: 1n, lease: 7n });
    await peer.say({ type: 'settled', stream: 'main', upTo: 1n, lease: 6n });
  }
  await peer.say({ type: 'settled', stream: 'main', upTo: 1n, lease: 7n });
  await vi.waitFor(() => expect(publisher.status.settledUpTo).toBe(1n), 5_000);
  const counts = ['bad-control', 'other-stream', 'old-lease'].map(
    (kind) => notices.filter((notice) => notice.kind === kind).length,
  );
  expect(counts).toEqual([10, 10, 10]);
});

test('with CURVE, who is on the list is served on both sockets, and nobody else', async () => {
  const [engine, friend, stranger] = [newCurveKeys(), newCurveKeys(), newCurveKeys()];
  const named = (keys: CurveKeys): NamedKey[] => [{ key: keys.publicKey, name: '' }];
  const publisher = await publisherOf({ curve: { keys: engine, peers: named(friend) } });
  await many(publisher, 3);
  const peerOfKeys = async (keys?: CurveKeys): Promise<{ pull: Pull; dealer: Dealer }> => {
    const pull = new Pull({ linger: 0, receiveTimeout: 500 });
    const dealer = new Dealer({ linger: 0 });
    opened.push(pull, dealer);
    for (const socket of [pull, dealer])
      if (keys) await secureSocket(socket, false, { keys, peers: named(engine) });
    pull.connect(publisher.endpoint);
    dealer.connect(publisher.controlEndpoint);
    return { pull, dealer };
  };
  const resume = encodeControl({ type: 'resume', stream: 'main', from: 2n, lease: 1n });
  for (const keys of [stranger, undefined]) {
    const { pull, dealer } = await peerOfKeys(keys);
    void dealer.send(resume);
    await expect(pull.receive()).rejects.toThrow('not possible or timed out');
  }
  expect(await heard('peer-refused')).toContain('was refused (');
  expect(publisher.status).toMatchObject({ resumes: 0, sent: 0, peers: 0 });
  const { pull, dealer } = await peerOfKeys(friend);
  pull.receiveTimeout = 5_000;
  for (let count = 0; count < 3; count += 1) expect(String((await pull.receive())[0])).toBe('settlement');
  await dealer.send(resume);
  expect(String((await pull.receive())[1])).toContain('"sequence_id":2');
});

test('who waits in vain for more to be settled, again and again, leaves nothing in memory', async () => {
  const publisher = await publisherOf();
  const waited: WeakRef<Promise<void>>[] = [];
  for (let round = 0; round < 20; round += 1) {
    const waiting = publisher.settledAdvance(1);
    waited.push(new WeakRef(waiting));
    await waiting;
  }
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await vi.waitFor(() => {
    collect();
    expect(waited.filter((one) => one.deref() !== undefined).length).toBeLessThanOrEqual(1);
  }, 3_000);
  // Who still waits is woken.
  await many(publisher, 1);
  const advance = publisher.settledAdvance(60_000);
  await peerOf(publisher).say({ type: 'settled', stream: 'main', upTo: 1n, lease: 1n });
  await advance;
});

test('bounds that make no sense are refused, all of them named', async () => {
  const opening = publisherOf({ eventsMax: 0, bytesMax: 5, waitingMax: 0.5, graceMs: -1, stream: 'A B' });
  await expect(opening).rejects.toThrow(/eventsMax.*bytesMax.*waitingMax.*graceMs.*stream/);
});
