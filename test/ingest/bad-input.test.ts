/**
 * Bad input over a real socket (I6): kept byte for byte with reason and place, counted, logged once. In a numbered
 * stream it stops by name where its sequence can be read; else the stream goes on, and the hole decides. Nothing crashes,
 * and nothing passes.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { encodeMessage } from '../../src/wire/encode.ts';
import { DEPOSIT, json, raw, TRADE } from '../wire/messages.ts';
import { Rig, until, type RunningIngest } from './rig.ts';

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start();
  await rig.startWorker();
});
afterEach(() => rig.clear());
afterAll(() => rig.stop());

const TOPIC = Buffer.from('settlement');
const message = (text: string | Buffer): Buffer[] => [TOPIC, Buffer.from(text)];

/** The n-th deposit of a stream: valid. */
function good(sequence: number): readonly Buffer[] {
  return encodeMessage({
    user_id: 1001n,
    sequence_id: BigInt(sequence),
    event_type: 'DEPOSIT',
    amount: 5n,
    currency: 1n,
    related_id: 0n,
    created_at: 1_795_356_055_368n,
    version: BigInt(sequence - 1),
  });
}

const deposit = (sequence: number, more: Readonly<Record<string, unknown>>): string =>
  json({ ...DEPOSIT, sequence_id: BigInt(sequence), version: BigInt(sequence - 1), ...more });
const tradeOf = (sequence: number, more: Readonly<Record<string, unknown>>): string =>
  json({ ...TRADE, output_sequence: BigInt(sequence), ...more });

/** Without a sequence that could be read. */
const UNREADABLE: readonly (readonly [string, readonly Buffer[]])[] = [
  ['frame-count', [TOPIC]],
  ['frame-count', [TOPIC, good(1)[1]!, Buffer.from('one more')]],
  ['frame-count', [good(1)[1]!]],
  ['frame-count', Array.from({ length: 40 }, (_, index) => Buffer.from(`${index}`))],
  ['unknown-topic', [Buffer.from('Settlement'), Buffer.from('{}')]],
  ['unknown-topic', [Buffer.alloc(0), Buffer.alloc(0)]],
  ['empty-message', message('')],
  ['invalid-json', message('{"trade_id": 1')],
  ['invalid-json', message(Buffer.from([0]))],
  ['invalid-utf8', message(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]))],
  ['not-an-object', message('[1,2,3]')],
  ['not-an-object', message('null')],
  ['too-deep', message(`${'['.repeat(9_000)}${']'.repeat(5_000)}`)],
  ['missing-field', message('{}')],
  ['out-of-range', message(deposit(1, { sequence_id: 2n ** 63n }))],
  ['out-of-range', message(deposit(1, { sequence_id: 0n }))],
  ['duplicate-key', message(deposit(1, {}).replace('{', '{"sequence_id":1,'))],
  ['wrong-type', message(deposit(1, { sequence_id: '1' }))],
  ['too-large', message(Buffer.alloc(20_000, 0x20))],
];

/** Each with the sequence that is due. */
const READABLE: readonly (readonly [string, (sequence: number) => readonly Buffer[]])[] = [
  ['unknown-topic', (sequence) => [Buffer.from('settlements'), good(sequence)[1]!]],
  ['missing-field', (sequence) => message(deposit(sequence, { amount: undefined }))],
  ['missing-field', (sequence) => message(deposit(sequence, { version: undefined }))],
  ['not-positive', (sequence) => message(deposit(sequence, { amount: 0n }))],
  ['out-of-range', (sequence) => message(deposit(sequence, { amount: -5n }))],
  ['out-of-range', (sequence) => message(deposit(sequence, { amount: 2n ** 63n }))],
  ['out-of-range', (sequence) => message(deposit(sequence, { amount: 2n ** 64n - 1n }))],
  ['not-positive', (sequence) => message(tradeOf(sequence, { price: 0n }))],
  ['out-of-range', (sequence) => message(tradeOf(sequence, { quantity: -1n }))],
  ['amount-overflow', (sequence) => message(tradeOf(sequence, { price: 2n ** 62n, quantity: 2n }))],
  ['wrong-type', (sequence) => message(deposit(sequence, { amount: raw('5.0') }))],
  ['unknown-event-type', (sequence) => message(deposit(sequence, { event_type: 'REFUND' }))],
  ['duplicate-key', (sequence) => message(deposit(sequence, {}).replace('{', '{"amount":5,'))],
  ['too-large', (sequence) => message(deposit(sequence, { note: 'x'.repeat(17_000) }))],
];

async function expectKept(
  stream: string,
  running: RunningIngest,
  bad: readonly (readonly [string, readonly Buffer[]])[],
): Promise<void> {
  const kept = (await rig.rejected(stream)).filter(({ lease }) => lease === running.ingest.lease);
  expect(kept.map(({ frames }) => frames)).toEqual(bad.map(([, frames]) => frames));
  expect(kept.map(({ reason }) => reason)).toEqual(bad.map(([reason]) => reason));
  for (const { reason, faults } of kept) expect(faults.join()).toContain(reason);
  const counts: Record<string, number> = {};
  for (const [reason] of bad) counts[reason] = (counts[reason] ?? 0) + 1;
  expect(running.ingest.progress.rejected).toEqual(counts);
  expect(running.said('message rejected').map(({ fields }) => fields['reason'])).toEqual(
    bad.map(([reason]) => reason),
  );
}

describe('bad input', () => {
  test('without a sequence is kept at its place, and the stream goes on', async () => {
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(
      engine,
      UNREADABLE.flatMap(([, frames], index) => [good(index + 1), frames]),
    );
    await running.untilSettled(UNREADABLE.length);
    await until('all came', () => running.ingest.progress.messages === 2 * UNREADABLE.length);
    await running.close();
    await expectKept(stream, running, UNREADABLE);
    const kept = await rig.rejected(stream);
    expect(kept.map(({ afterSequence }) => afterSequence)).toEqual(
      UNREADABLE.map((_, index) => BigInt(index + 1)),
    );
    expect(kept.map(({ arrival }) => arrival)).toEqual(UNREADABLE.map((_, index) => BigInt(2 * index + 2)));
    expect(kept.every(({ sequence }) => sequence === undefined)).toBe(true);
    expect(await rig.audit(stream)).toMatchObject({
      ok: true,
      counts: { events: UNREADABLE.length, rejected: UNREADABLE.length },
    });
  });

  test('that comes again at its place is not kept again, but counted', async () => {
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    const garbage = message('{"sequence_id": 2, ');
    await rig.send(engine, [good(1), garbage, good(1), garbage, message('{"sequence_id": 3, '), garbage]);
    await until('all came', () => running.ingest.progress.messages === 6);
    expect(running.ingest.progress).toMatchObject({ duplicates: 3, rejected: { 'invalid-json': 2 } });
    await running.close();
    expect(await rig.rejected(stream)).toHaveLength(2);
  });

  test('behind a hole is kept, and does not hide it where nobody can be asked', async () => {
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, [good(1), message(deposit(5, { amount: 0n }))]);
    expect(await running.ended).toMatchObject({
      stop: { reason: 'hole', sequence: '2', stated: '5' },
      progress: { watermark: '1', rejected: { 'not-positive': 1 } },
    });
    expect(await rig.rejected(stream)).toMatchObject([{ sequence: 5n, afterSequence: 1n }]);
  });

  test('in place of an event leaves a hole, at which the stream stops', async () => {
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, [good(1), message('{"sequence_id": 2, '), good(3)]);
    expect(await running.ended).toMatchObject({
      stop: { reason: 'hole', sequence: '2', stated: '3' },
      unsettled: 0,
      progress: { watermark: '1', rejected: { 'invalid-json': 1 } },
    });
  });

  test('with a sequence stops a numbered stream there, which goes on once it is sent again corrected', async () => {
    const stream = rig.stream();
    for (const [index, [reason, bad]] of READABLE.entries()) {
      const sequence = index + 2;
      const engine = await rig.engine();
      const running = await rig.ingest({ stream, endpoint: engine.endpoint });
      const frames = bad(sequence);
      await rig.send(engine, [good(sequence - 1), frames, good(sequence)]);
      const ending = await running.ended;
      expect(ending, reason).toMatchObject({
        kind: 'stopped',
        unsettled: 0,
        stop: { reason: 'rejected', sequence: `${sequence}` },
        progress: { messages: 2, accepted: 1, watermark: `${sequence - 1}` },
      });
      expect(ending.stop?.message).toContain(reason);
      await expectKept(stream, running, [[reason, frames]]);
    }
    const kept = await rig.rejected(stream);
    expect(new Set(kept.map(({ sequence }) => sequence))).toEqual(
      new Set(READABLE.map((_, index) => BigInt(index + 2))),
    );
    expect(await rig.audit(stream)).toMatchObject({ ok: true, counts: { events: READABLE.length } });
  });

  test('in a classic stream never stops it; a trade that was no trade shows at the next one', async () => {
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint, dialect: 'classic' });
    const classic = (more: Readonly<Record<string, unknown>>): Buffer[] =>
      message(json({ ...DEPOSIT, sequence_id: 0n, version: undefined, ...more }));
    const bad: (readonly [string, readonly Buffer[]])[] = [
      ['not-positive', classic({ amount: 0n })],
      ['unknown-event-type', classic({ event_type: 'BURN' })],
      ['not-positive', message(tradeOf(1, { price: 0n }))],
    ];
    const versions = {
      buyer_quote_version: 0n,
      buyer_base_version: 1n,
      seller_base_version: 0n,
      seller_quote_version: 0n,
    };
    await rig.send(engine, [classic({}), ...bad.map(([, frames]) => frames), message(tradeOf(2, versions))]);
    expect(await running.ended).toMatchObject({
      stop: { reason: 'hole', sequence: '2', expected: '1', stated: '2' },
      progress: { watermark: '1' },
    });
    await expectKept(stream, running, bad);
    expect((await rig.rejected(stream)).every(({ sequence }) => sequence === undefined)).toBe(true);
  });

  test('of many frames is kept up to a bound, and what is not kept is proved by a digest', async () => {
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, [Array.from({ length: 20 }, () => Buffer.alloc(1_000_000, 0x61)), good(1)]);
    await running.untilSettled(1);
    const [kept] = await rig.rejected(stream);
    expect(kept).toMatchObject({ reason: 'frame-count', frames: { length: 8 } });
    expect(kept?.faults[1]).toMatch(
      /^kept-in-part: 8 of 20 frames are kept; SHA-256 of all is [0-9a-f]{64}$/,
    );
  });

  test('of very many empty frames is kept up to a bound, since each takes room of its own', async () => {
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, [Array.from({ length: 5_000 }, () => Buffer.alloc(0)), good(1)]);
    await running.untilSettled(1);
    const [kept] = await rig.rejected(stream);
    expect(kept).toMatchObject({ reason: 'frame-count', frames: { length: 1_024 } });
    expect(kept?.faults[1]).toMatch(/^kept-in-part: 1024 of 5000 frames are kept/);
  });

  test.each([false, true])(
    'above 1 MiB is refused by the transport and reported, and the stream goes on (binding: %s)',
    async (bind) => {
      const stream = rig.stream();
      const given = bind ? undefined : await rig.engine();
      const running = await rig.ingest({ stream, bind, endpoint: given?.endpoint ?? 'tcp://127.0.0.1:*' });
      const engine = given ?? (await rig.engine({ connect: true, endpoint: running.ingest.endpoint }));
      await rig.send(engine, [good(1), good(2)]);
      await running.untilSettled(2);
      await rig.send(engine, [message(Buffer.alloc(1024 * 1024 + 1, 0x20))]);
      await until('it was opened again', () => running.said('connection opened').length === 2);
      await rig.send(engine, [good(3)]);
      await running.untilSettled(3);
      const reported = running.logs.filter(
        ({ level, message: text }) => level !== 'info' && text.includes('1 MiB'),
      );
      expect(reported).toHaveLength(1);
      expect(await rig.rejected(stream)).toEqual([]);
      await rig.send(engine, [good(5)]);
      expect(await running.ended).toMatchObject({ stop: { reason: 'hole', sequence: '4' } });
    },
  );
});
