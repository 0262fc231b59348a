/**
 * An ingest and an engine that can send again: nothing that was lost on the wire, or with a process, is lost; what the
 * engine does not have any more, or says otherwise than before, stops the stream by name.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Dealer } from 'zeromq';
import { newCurveKeys } from '../../src/curve/index.ts';
import { encodeControl } from '../../src/wire/control.ts';
import { takeLease } from '../../src/ledger/leases.ts';
import type { Publisher, PublisherNotice } from '../../src/publisher/index.ts';
import type { Frames } from '../../src/publisher/push.ts';
import { Rig, simulated, until } from './rig.ts';
import { StandInEngine } from './stand-in-engine.ts';

let rig: Rig;
const QUICK = {
  pauseMsFirst: 20,
  pauseMsMax: 50,
  roundsMax: 3,
  quietMsMax: 300,
  idleMsFirst: 60_000,
  idleMsMax: 60_000,
};

beforeAll(async () => {
  rig = await Rig.start();
  await rig.startWorker();
});
afterEach(() => rig.clear());
afterAll(() => rig.stop());

function publishAll(publisher: Publisher, messages: readonly Frames[]): Promise<bigint[]> {
  return Promise.all(messages.map(([, data]) => publisher.publish(data)));
}

/** Where an ingest finds an engine. */
const at = ({ endpoint, controlEndpoint }: { endpoint: string; controlEndpoint: string }) => ({
  endpoint,
  controlEndpoint,
});

describe('an engine with an outbox', () => {
  const { messages, oracle } = simulated({ trades: 80, seed: 21 });

  test('is told what is settled, and an ingest that is started again asks from the watermark itself', async () => {
    const stream = rig.stream();
    const publisher = await rig.publisher({ stream, outbox: rig.outbox() });
    const first = await rig.ingest({ stream, ...at(publisher) });
    await publishAll(publisher, messages.slice(0, 60));
    await first.untilSettled(60);
    await until('the engine knows', () => publisher.status.settledUpTo === 60n);
    await first.close();
    // Published while nobody is there.
    await publishAll(publisher, messages.slice(60));
    const second = await rig.ingest({ stream, ...at(publisher) });
    await second.untilSettled(messages.length);
    await until('the engine knows', () => publisher.status.settledUpTo === BigInt(messages.length));
    const { progress } = await second.close();
    expect(progress.duplicates).toBeGreaterThanOrEqual(1);
    expect(progress).toMatchObject({ rejected: {}, watermark: `${messages.length}` });
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true, findings: [] });
  });

  test('loses nothing when it is started again itself, over sockets that its ingest keeps open', async () => {
    const stream = rig.stream();
    const place = rig.outbox();
    const before = await rig.publisher({ stream, outbox: place });
    const running = await rig.ingest({ stream, ...at(before) });
    await publishAll(before, messages.slice(0, 40));
    await running.untilSettled(40);
    const addresses = at(before);
    await before.close();
    const after = await rig.publisher({ stream, outbox: place, ...addresses });
    expect(after.status.last).toBe(40n);
    await publishAll(after, messages.slice(40));
    await running.untilSettled(messages.length);
    await until('the engine knows', () => after.status.settledUpTo === BigInt(messages.length));
    expect(running.ingest.progress.resumes).toBeGreaterThanOrEqual(2);
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true, findings: [] });
  });

  test('connects as well where the ingest binds', async () => {
    const stream = rig.stream();
    const probe = await StandInEngine.open();
    const addresses = at(probe);
    await probe.close();
    const running = await rig.ingest({ stream, ...addresses, bind: true });
    const publisher = await rig.publisher({ stream, outbox: rig.outbox(), connect: true, ...addresses });
    await publishAll(publisher, messages);
    await running.untilSettled(messages.length);
    await until('the engine knows', () => publisher.status.settledUpTo === BigInt(messages.length));
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true, findings: [] });
  });

  test('speaks CURVE on both sockets, where both sides have keys', async () => {
    const stream = rig.stream();
    const [ours, theirs] = [newCurveKeys(), newCurveKeys()];
    const named = (key: string) => [{ key, name: '' }];
    const publisher = await rig.publisher({
      stream,
      outbox: rig.outbox(),
      curve: { keys: theirs, peers: named(ours.publicKey) },
    });
    const running = await rig.ingest({
      stream,
      ...at(publisher),
      curve: { keys: ours, peers: named(theirs.publicKey) },
    });
    await publishAll(publisher, messages);
    await running.untilSettled(messages.length);
    await until('the engine knows', () => publisher.status.settledUpTo === BigInt(messages.length));
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true, findings: [] });
  });

  test('whose numbering starts over is refused by name', async () => {
    const stream = rig.stream();
    const notices: PublisherNotice[] = [];
    const first = await rig.publisher({ stream, outbox: rig.outbox() });
    const running = await rig.ingest({ stream, ...at(first) });
    await publishAll(first, messages.slice(0, 30));
    await running.untilSettled(30);
    const addresses = at(first);
    await first.close();
    const other = simulated({ trades: 80, seed: 22 }).messages;
    const second = await rig.publisher({ stream, outbox: rig.outbox(), ...addresses }, notices);
    await publishAll(second, other.slice(0, 5));
    expect(await running.ended).toMatchObject({
      kind: 'stopped',
      stop: { reason: 'other-content', sequence: '1' },
    });
    expect(notices).toContainEqual(expect.objectContaining({ kind: 'beyond' }));
    expect(await rig.audit(stream)).toMatchObject({ ok: true, counts: { events: 30 } });
  });

  test('says something else under the number of the watermark: it is compared, and refused by name', async () => {
    const stream = rig.stream();
    const first = await rig.publisher({ stream, outbox: rig.outbox() });
    const before = await rig.ingest({ stream, ...at(first) });
    await publishAll(first, messages.slice(0, 30));
    await before.untilSettled(30);
    await before.close();
    const [topic, data] = messages[29]!;
    const altered = Buffer.from(data.toString().replace(/"(settled_at|created_at)":\d+/, '"$1":7'));
    const second = await rig.publisher({ stream, outbox: rig.outbox() });
    await publishAll(second, messages.slice(0, 29).concat([[topic, altered]], messages.slice(30, 40)));
    const after = await rig.ingest({ stream, ...at(second) });
    expect(await after.ended).toMatchObject({ stop: { reason: 'other-content', sequence: '30' } });
  });

  test('whose outbox begins behind the watermark stops the stream, since nothing can be compared', async () => {
    const stream = rig.stream();
    const first = await rig.publisher({ stream, outbox: rig.outbox() });
    const before = await rig.ingest({ stream, ...at(first) });
    await publishAll(first, messages.slice(0, 30));
    await before.untilSettled(30);
    await before.close();
    const second = await rig.publisher({ stream, outbox: rig.outbox(), firstSequence: 31n });
    await publishAll(second, messages.slice(30, 40));
    const after = await rig.ingest({ stream, ...at(second) });
    const { stop } = await after.ended;
    expect(stop).toMatchObject({ reason: 'hole', sequence: '31', stated: '31' });
    expect(stop?.message).toContain('does not have sequence 30 any more, with which its stream is compared');
    // On a person's word it goes on.
    const unasked = await rig.ingest({ stream, endpoint: second.endpoint });
    await unasked.untilSettled(40);
  });

  test('ten times faster than settlement is held up, and nothing piles up on either side', async () => {
    const stream = rig.stream();
    const large = simulated({ scenario: 'random', users: 40, trades: 900, seed: 23 });
    const publisher = await rig.publisher({
      stream,
      outbox: rig.outbox(),
      eventsMax: 300,
      waitingMax: 20,
      sendHighWaterMark: 20,
    });
    const running = await rig.ingest({
      stream,
      ...at(publisher),
      maxInFlightEvents: 100,
      receiveHighWaterMark: 20,
    });
    const most = { events: 0, waiting: 0, inFlight: 0 };
    const look = (): void => {
      const { events, waiting } = publisher.status;
      most.events = Math.max(most.events, events);
      most.waiting = Math.max(most.waiting, waiting);
      most.inFlight = Math.max(most.inFlight, running.ingest.progress.inFlight);
    };
    const looking = setInterval(look, 1);
    try {
      // A window of 20: as fast as the publisher takes them, which the disk allows to be much faster than settlement.
      const underWay: Promise<unknown>[] = [];
      for (const [, data] of large.messages) {
        underWay.push(publisher.publish(data));
        look();
        if (underWay.length === 20) await underWay.shift();
      }
      await Promise.all(underWay);
      await running.untilSettled(large.messages.length);
    } finally {
      clearInterval(looking);
    }
    // The bounds were reached, and held.
    expect(most.events).toBeGreaterThanOrEqual(300);
    expect(most.events).toBeLessThanOrEqual(301);
    expect(most.waiting).toBeLessThanOrEqual(20);
    expect(most.inFlight).toBe(100);
    await until('the engine knows', () => publisher.status.settledUpTo === BigInt(large.messages.length));
    expect(await rig.audit(stream, large.oracle)).toMatchObject({ ok: true, findings: [] });
  });
});

describe('a database that was restored to an earlier moment', () => {
  test('gets back what it lost, though the partitions’ workflows have settled it once', async () => {
    const { messages } = simulated({ trades: 10, seed: 27 });
    const stream = rig.stream();
    const publisher = await rig.publisher({ stream, outbox: rig.outbox() });
    const before = await rig.ingest({ stream, ...at(publisher) });
    await publishAll(publisher, messages.slice(0, 1));
    await before.untilSettled(1);
    await until('the engine knows', () => publisher.status.settledUpTo === 1n);
    await before.close();
    // The moment before the first event: the same lease is taken again, and the same chunk is sent under it.
    await rig.emptyTables();
    const after = await rig.ingest({ stream, ...at(publisher) });
    expect(after.ingest.lease).toBe(before.ingest.lease);
    await after.untilSettled(1);
    expect(await rig.audit(stream)).toMatchObject({ ok: true, findings: [], counts: { events: 1 } });
  });

  test('and whose lease is older than what the engine has heard of ends the ingest by that name, not another', async () => {
    const stream = rig.stream();
    const publisher = await rig.publisher({ stream, outbox: rig.outbox() });
    const engine = new Dealer({ linger: 0 });
    engine.connect(publisher.controlEndpoint);
    await engine.send(encodeControl({ type: 'settled', stream, upTo: 0n, lease: 7n }));
    const running = await rig.ingest({ stream, ...at(publisher) });
    const { stop } = await running.ended;
    expect(stop).toMatchObject({ reason: 'lease-behind', heard: '7' });
    expect(stop?.message).toContain('nobody holds a higher lease than 1 in this database');
    expect((await rig.record(stream))?.stopped).toBeUndefined();
    engine.close();
  });

  test('is not what an ingest takes it for that was replaced', async () => {
    const stream = rig.stream();
    const engine = rig.owns(
      await StandInEngine.open((self, message) => {
        if (message.type !== 'resume') return;
        void takeLease(rig.database.client, stream, 'another').then((lease) =>
          self.reply({ type: 'old-lease', lease }),
        );
      }),
    );
    const running = await rig.ingest({ stream, ...at(engine), resumption: QUICK });
    expect(await running.ended).toMatchObject({ stop: { reason: 'lease-lost' } });
  });

  test('and whose lease is older than what a workflow has heard of, too', async () => {
    const { messages } = simulated({ trades: 10, seed: 28 });
    const stream = rig.stream();
    const engine = await rig.engine();
    for (let count = 0; count < 4; count += 1) await takeLease(rig.database.client, stream, 'somebody');
    const before = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, messages.slice(0, 1));
    await before.untilSettled(1);
    await before.close();
    await rig.emptyTables();
    const after = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, messages.slice(0, 1));
    expect(await after.ended).toMatchObject({ stop: { reason: 'lease-behind', heard: '5' } });
  });
});

describe('a hole', () => {
  const { messages, oracle } = simulated({ trades: 80, seed: 24 });
  const from = (sequence: bigint): Frames[] => messages.slice(Number(sequence) - 1);

  test('is reported with its numbers, asked for, and filled; what comes behind it waits with the engine', async () => {
    const stream = rig.stream();
    let isFirst = true;
    const engine = rig.owns(
      await StandInEngine.open((self, message) => {
        if (message.type !== 'resume') return;
        self.send(isFirst ? messages.toSpliced(50, 3) : from(message.from));
        isFirst = false;
      }),
    );
    const running = await rig.ingest({ stream, ...at(engine), resumption: QUICK });
    await running.untilSettled(messages.length);
    expect(running.said('sequences are missing')).toMatchObject([
      { level: 'warn', fields: { first: '51', last: '53' } },
    ]);
    expect(running.said('what was missing has come')).toHaveLength(1);
    expect(engine.asked[0]).toBe(1n);
    expect(engine.asked[1]).toBe(50n);
    expect(running.ingest.progress.dropped).toBeGreaterThan(0);
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true, findings: [] });
  });

  test('that the engine leaves again and again stops the stream by name, and what is before it is settled', async () => {
    const stream = rig.stream();
    const engine = rig.owns(
      await StandInEngine.open((self, message) => {
        if (message.type === 'resume') self.send(from(message.from).filter((one) => one !== messages[50]));
      }),
    );
    const running = await rig.ingest({ stream, ...at(engine), resumption: QUICK });
    const { stop, progress } = await running.ended;
    expect(stop).toMatchObject({ reason: 'hole', sequence: '51' });
    expect(stop?.message).toContain('asked again and again');
    expect(progress.watermark).toBe('50');
    expect(await rig.audit(stream)).toMatchObject({ ok: true, counts: { events: 50 } });
  });

  test('that is a message which the transport does not take stops the stream by name', async () => {
    const stream = rig.stream();
    const tooLarge: Frames = [messages[0]![0], Buffer.alloc(1024 * 1024 + 1, 0x20)];
    const engine = rig.owns(
      await StandInEngine.open((self, message) => {
        if (message.type !== 'resume' || message.from > 50n) return;
        self.send([...from(message.from).slice(0, 50 - Number(message.from) + 1), tooLarge]);
      }),
    );
    const running = await rig.ingest({ stream, ...at(engine), resumption: QUICK });
    const { stop, progress } = await running.ended;
    expect(stop).toMatchObject({ reason: 'hole', sequence: '51', expected: '51' });
    expect(stop?.message).toContain('above 1 MiB');
    expect(progress.watermark).toBe('50');
  });

  test('behind which a message is no valid event keeps that for its place', async () => {
    const stream = rig.stream();
    let isFirst = true;
    const bad: Frames = [messages[0]![0], Buffer.from('{"sequence_id":53,"event_type":"DEPOSIT"}')];
    const engine = rig.owns(
      await StandInEngine.open((self, message) => {
        if (message.type !== 'resume') return;
        const some = messages.slice(0, 109);
        self.send(isFirst ? some.with(52, bad).toSpliced(50, 1) : some.slice(Number(message.from) - 1));
        isFirst = false;
      }),
    );
    const running = await rig.ingest({ stream, ...at(engine), resumption: QUICK });
    await running.untilSettled(109);
    expect(running.ingest.progress.rejected).toEqual({});
  });

  test('that is gone for good stops the stream and names what is missing', async () => {
    const stream = rig.stream();
    const engine = rig.owns(
      await StandInEngine.open((self, message) => {
        if (message.type !== 'resume') return;
        if (message.from === 1n) self.send(messages.slice(0, 20));
        else void self.reply({ type: 'unavailable', oldest: 41n });
      }),
    );
    const running = await rig.ingest({ stream, ...at(engine), resumption: QUICK });
    await running.untilSettled(20);
    engine.send(from(41n));
    const { stop } = await running.ended;
    expect(stop).toMatchObject({ reason: 'hole', sequence: '21', expected: '21', stated: '41' });
    expect(stop?.message).toContain('sequences 21 to 40');
  });

  test('is none where another ingest has moved the watermark meanwhile', async () => {
    const stream = rig.stream();
    const publisher = await rig.publisher({ stream, outbox: rig.outbox() });
    const other = await rig.ingest({ stream, ...at(publisher) });
    await publishAll(publisher, messages.slice(0, 40));
    await other.untilSettled(40);
    await other.close();
    await publisher.close();
    // As a new ingest finds it that opened before the last one had persisted its watermark.
    const { client } = rig.database;
    await client.execute('DELETE watermark FROM streams USING TIMESTAMP 40 WHERE stream = ?', [stream], {
      prepare: true,
    });
    let watermarkIsThere: Promise<unknown> | undefined;
    const engine = rig.owns(
      await StandInEngine.open((self, message) => {
        if (message.type !== 'resume') return;
        if (message.from >= 40n) {
          self.send(from(message.from));
          return;
        }
        watermarkIsThere ??= client.execute(
          'UPDATE streams USING TIMESTAMP 41 SET watermark = 40 WHERE stream = ?',
          [stream],
          { prepare: true },
        );
        void watermarkIsThere.then(() => self.reply({ type: 'unavailable', oldest: 40n }));
      }),
    );
    const running = await rig.ingest({ stream, ...at(engine), resumption: QUICK });
    await running.untilSettled(messages.length);
    expect(running.said('another ingest has moved the watermark')).toHaveLength(1);
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true, findings: [] });
  });

  test('is not asked for by an ingest that was replaced: it stops', async () => {
    const stream = rig.stream();
    const engine = rig.owns(
      await StandInEngine.open((self, message) => {
        if (message.type !== 'resume') return;
        void takeLease(rig.database.client, stream, 'another').then(() =>
          self.reply({ type: 'unavailable', oldest: 9n }),
        );
      }),
    );
    const running = await rig.ingest({ stream, ...at(engine), resumption: QUICK });
    expect(await running.ended).toMatchObject({ stop: { reason: 'lease-lost' } });
  });
});

describe('the control socket', () => {
  test('carries the lease, says "settled" only for what is persisted, and takes nonsense for nonsense', async () => {
    const { messages } = simulated({ trades: 30, seed: 25 });
    const stream = rig.stream();
    const persisted: bigint[] = [];
    const engine = rig.owns(
      await StandInEngine.open((self, message) => {
        if (message.type === 'resume') {
          self.send(messages);
          void self.reply(Buffer.from('{"type":"resume"'));
          void self.reply({ type: 'settled', stream, upTo: 1n, lease: 1n });
        } else if (message.type === 'settled') {
          const check = async (): Promise<void> => {
            persisted.push((await rig.record(stream))?.watermark ?? -1n);
          };
          void check();
        }
      }),
    );
    const running = await rig.ingest({ stream, ...at(engine), resumption: QUICK });
    await running.untilSettled(messages.length);
    await until('all is told', () =>
      engine.heard.some((message) => message.type === 'settled' && message.upTo === BigInt(messages.length)),
    );
    const settled = engine.heard.flatMap((message) => (message.type === 'settled' ? [message] : []));
    await until('all is looked up', () => persisted.length === settled.length);
    for (const [index, { upTo, lease }] of settled.entries()) {
      expect(lease).toBe(running.ingest.lease);
      expect(persisted[index]).toBeGreaterThanOrEqual(upTo);
    }
    expect(settled.map(({ upTo }) => upTo)).toEqual(
      settled.map(({ upTo }) => upTo).toSorted((a, b) => Number(a - b)),
    );
    expect(running.said('on the control socket came what is no answer').length).toBeGreaterThanOrEqual(2);
  });

  test('on which an engine says nonsense again and again does not fill the log', async () => {
    const stream = rig.stream();
    let nonsense: Promise<unknown> | undefined;
    const engine = rig.owns(
      await StandInEngine.open((self) => {
        nonsense ??= (async () => {
          for (let count = 0; count < 200; count += 1) await self.reply(Buffer.from('nonsense'));
          // Answered by an end of the stream, so that all before it was heard.
          await self.reply({ type: 'unavailable', oldest: 9n });
        })();
      }),
    );
    const running = await rig.ingest({ stream, ...at(engine), resumption: QUICK });
    expect(await running.ended).toMatchObject({ stop: { reason: 'hole' } });
    await nonsense;
    expect(running.said('on the control socket came what is no answer')).toHaveLength(10);
  });

  test('where nobody answers is warned about, with what to do, and the stream goes on all the same', async () => {
    const { messages } = simulated({ trades: 10, seed: 26 });
    const stream = rig.stream();
    const engine = await rig.engine();
    const probe = await StandInEngine.open();
    const { controlEndpoint } = probe;
    await probe.close();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint, controlEndpoint });
    await rig.send(engine, messages);
    await running.untilSettled(messages.length);
    await until(
      'it is said',
      () => running.said('no engine answers at the control address').length > 0,
      10_000,
    );
    expect(running.said('no engine answers at tcp')).toEqual([]);
  });

  test('does not hide that nobody answers at the endpoint itself', async () => {
    const stream = rig.stream();
    const probe = await StandInEngine.open();
    const addresses = at(probe);
    await probe.close();
    const running = await rig.ingest({ stream, ...addresses });
    await until(
      'it is said',
      () => running.said(`no engine answers at ${addresses.endpoint}`).length > 0,
      10_000,
    );
    expect(running.said('no engine answers at')[0]?.message).toContain('SETTLED_INGEST_ENDPOINT');
  });
});
