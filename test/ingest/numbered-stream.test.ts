/** A simulated numbered stream over a real socket, through the real servers: it leads to the engine's own books. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { StreamMismatchError } from '../../src/ledger/streams.ts';
import { Rig, simulated, until } from './rig.ts';

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start();
  await rig.startWorker();
});
afterEach(() => rig.clear());
afterAll(() => rig.stop());

describe('a numbered stream', () => {
  test('settles to the books of its engine', async () => {
    const { messages, oracle } = simulated({ scenario: 'random', users: 40, trades: 600, seed: 3 });
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, messages);
    await running.untilSettled(messages.length);
    const ending = await running.close();
    expect(ending).toMatchObject({
      kind: 'closed',
      unsettled: 0,
      progress: {
        messages: messages.length,
        accepted: messages.length,
        duplicates: 0,
        rejected: {},
        inFlight: 0,
      },
    });
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true, findings: [] });
  });

  test('comes as well where the ingest binds and the engine connects', async () => {
    const { messages, oracle } = simulated();
    const stream = rig.stream();
    const running = await rig.ingest({ stream, endpoint: 'tcp://127.0.0.1:*', bind: true });
    const engine = await rig.engine({ connect: true, endpoint: running.ingest.endpoint });
    await rig.send(engine, messages);
    await running.untilSettled(messages.length);
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true, findings: [] });
  });

  test('holds each duplicate against what was received, and settles it once', async () => {
    const { messages, oracle } = simulated({ trades: 60 });
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    const doubled = messages.flatMap((message, index) => [message, message, messages[index >> 1]!]);
    await rig.send(engine, doubled);
    await until('all came', () => running.ingest.progress.messages === doubled.length);
    await running.untilSettled(messages.length);
    expect((await running.close()).progress).toMatchObject({
      accepted: messages.length,
      duplicates: doubled.length - messages.length,
      rejected: {},
    });
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true, findings: [] });
  });

  test('stops at a hole, names what is missing, and has settled everything before it', async () => {
    const { messages } = simulated({ trades: 60 });
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, messages.toSpliced(50, 3));
    const ending = await running.ended;
    expect(ending).toMatchObject({
      kind: 'stopped',
      unsettled: 0,
      stop: { reason: 'hole', sequence: '51', expected: '51', stated: '54' },
      progress: { watermark: '50' },
    });
    expect(ending.stop?.message).toContain('sequences 51 to 53 are missing');
    expect(running.said('stream stopped')).toHaveLength(1);
    expect(JSON.parse((await rig.record(stream))?.stopped ?? '{}')).toMatchObject({
      reason: 'hole',
      sequence: '51',
    });
    expect(await rig.audit(stream)).toMatchObject({ ok: true, counts: { watermark: '50', events: 50 } });

    // Sent again from the hole, it goes on, and is no longer said to be stopped.
    const again = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, messages.slice(50));
    await again.untilSettled(messages.length);
    expect((await rig.record(stream))?.stopped).toBeUndefined();
  });

  test('stops at a version that does not continue what is in flight, names it, and has settled what was before', async () => {
    const { messages } = simulated({ trades: 60 });
    const at = messages.findIndex(([, data], index) => index > 20 && data.includes('"event_type":"LOCK"'));
    const wrong = Buffer.from(
      messages[at]![1].toString().replace(
        /"version":(\d+)/,
        (_text, version) => `"version":${Number(version) + 5}`,
      ),
    );
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.stopWorker(); // so that everything is in flight
    await rig.send(engine, [...messages.slice(0, at), [messages[at]![0], wrong]]);
    await until('it stopped', () => running.said('stream stopped').length === 1);
    await rig.startWorker();
    const ending = await running.ended;
    expect(ending).toMatchObject({
      kind: 'stopped',
      unsettled: 0,
      stop: { reason: 'version-mismatch', sequence: `${at + 1}` },
    });
    expect(BigInt(ending.stop?.stated ?? 0)).toBe(BigInt(ending.stop?.expected ?? 0) + 5n);
    expect(await rig.audit(stream)).toMatchObject({ ok: true, counts: { events: at } });
  });

  test('is refused by an ingest with another number of partitions, or of another kind', async () => {
    const stream = rig.stream();
    const endpoint = (await rig.engine()).endpoint;
    await (await rig.ingest({ stream, endpoint })).close();
    const more = rig.ingest({ stream, endpoint, partitions: 8 });
    await expect(more).rejects.toThrow(StreamMismatchError);
    await expect(more).rejects.toThrow('set SETTLED_PARTITIONS=4');
    await expect(rig.ingest({ stream, endpoint, dialect: 'classic' })).rejects.toThrow('without --classic');
  });
});
