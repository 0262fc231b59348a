/**
 * What a stream does when it can't go on at once: no worker, a worker that is killed, a partition that waits for a person.
 * The engine is held up (I7), nothing is lost, and other partitions go on until the bound.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { decidePartition } from '../../src/cli/decide.ts';
import { Child } from '../../src/cli/demo/child.ts';
import { streamStatuses } from '../../src/cli/stream-status.ts';
import type { Frames } from '../../src/publisher/push.ts';
import { allBalances, changeByHand, putBack } from '../support/by-hand.ts';
import { Rig, simulated, until } from './rig.ts';

let rig: Rig;
const folder = mkdtempSync(join(tmpdir(), 'settled-test-'));

beforeAll(async () => {
  rig = await Rig.start();
});
afterEach(async () => {
  await rig.clear();
  await rig.stopWorker();
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await rig.stop();
});

test('without a worker the engine is held up, and the memory is bounded; with one everything settles', async () => {
  const { messages, oracle } = simulated({ scenario: 'random', users: 30, trades: 700, seed: 5 });
  const padding = Buffer.from(`,"note":"${'x'.repeat(14_000)}"}`);
  const padded = messages.map(([topic, data]): Frames => [
    topic,
    Buffer.concat([data.subarray(0, -1), padding]),
  ]);
  const stream = rig.stream();
  const engine = await rig.engine({ sendHighWaterMark: 10 });
  const running = await rig.ingest({
    stream,
    endpoint: engine.endpoint,
    maxInFlightEvents: 200,
    receiveHighWaterMark: 50,
  });
  let taken = 0;
  const sending = (async () => {
    for (const frames of padded) {
      await engine.publish(frames);
      taken += 1;
    }
  })();
  await until('the bound is reached', () => running.ingest.progress.messages >= 200);
  await sleep(1_000);
  const takenThen = taken;
  await sleep(500);
  expect(taken).toBe(takenThen);
  expect(taken).toBeLessThan(padded.length - 200);
  expect(running.ingest.progress).toMatchObject({ messages: 200, inFlight: 200, watermark: '0' });
  await rig.startWorker();
  await sending;
  await running.untilSettled(messages.length);
  expect(running.ingest.progress.unknownFields).toBe(messages.length);
  expect((await running.close()).unsettled).toBe(0);
  expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true, findings: [] });
}, 60_000);

test('a worker that is killed in the middle is replaced, and the stream leads to the same books', async () => {
  const { messages, oracle } = simulated({ scenario: 'random', users: 60, trades: 3_000, seed: 8 });
  const stream = rig.stream();
  const engine = await rig.engine();
  const running = await rig.ingest({ stream, endpoint: engine.endpoint });
  const worker = (name: string): Child =>
    new Child({ args: ['worker'], env: rig.env(stream), logPath: join(folder, `${name}.log`) });
  const first = worker('first');
  let second: Child | undefined;
  try {
    const sending = rig.send(engine, messages);
    await until('a part is settled', () => BigInt(running.ingest.progress.watermark) > messages.length / 5);
    first.kill();
    expect(await first.ended).toMatchObject({ signal: 'SIGKILL' });
    expect(BigInt(running.ingest.progress.watermark)).toBeLessThan(messages.length);
    second = worker('second');
    await sending;
    await until('all is settled', () => running.ingest.progress.watermark === `${messages.length}`, 60_000);
    expect(await running.close()).toMatchObject({ kind: 'closed', unsettled: 0 });
    expect((await second.stop()).code, second.logTail).toBe(0);
  } finally {
    first.kill();
    second?.kill();
  }
  expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true, findings: [] });
}, 120_000);

describe('a conflict', () => {
  test('halts its partition and says why; others go on until the bound; mended and resumed, all settles', async () => {
    const { messages, oracle } = simulated({ scenario: 'random', users: 24, trades: 300, seed: 4 });
    const half = Math.floor(messages.length / 2);
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint, maxInFlightEvents: 100 });
    await rig.send(engine, messages.slice(0, half));
    await running.untilSettled(half);

    // Somebody changes a balance by hand: the next lock that needs it is the first event that shows it.
    const lock = messages.findIndex(([, data], index) => index >= half && data.includes('"LOCK"'));
    const locking = messages[lock]![1].toString();
    const user = BigInt(/"user_id":(\d+)/.exec(locking)![1]!);
    const asset = Number(/"currency":(\d+)/.exec(locking)![1]!);
    const { client } = rig.database;
    const rows = await allBalances(client);
    await changeByHand(client, user, asset);
    void rig.send(engine, messages.slice(half)).catch(() => undefined);
    await until('the partition is halted', () => running.ingest.progress.halted.length > 0, 40_000);
    await until('the bound is reached, and all before the halt is settled', () => {
      const { inFlight, halted, watermark } = running.ingest.progress;
      const lowest = Math.min(...halted.map(({ halt }) => Number(halt.conflict.sequence)));
      return inFlight >= 100 && watermark === `${lowest - 1}`;
    });
    // Events behind it on the same balance, in other partitions, may halt those too.
    const halted = running.ingest.progress.halted.toSorted(
      (a, b) => Number(a.halt.conflict.sequence) - Number(b.halt.conflict.sequence),
    )[0];
    const { conflict } = halted!.halt;
    expect(conflict).toMatchObject({ user: `${user}`, asset });
    const sequence = Number(conflict.sequence);
    expect(sequence).toBeGreaterThan(half);
    const said = running
      .said('partition halted')
      .filter(({ fields }) => fields['sequence'] === conflict.sequence);
    expect(said).toHaveLength(1);
    expect(said[0]?.fields).toMatchObject({ ...conflict, partition: halted!.partition });

    const { watermark, messages: received } = running.ingest.progress;
    expect(watermark).toBe(`${sequence - 1}`);
    expect(received).toBe(sequence - 1 + 100);
    const settledBeyond = await client.execute('SELECT sequence FROM ledger_events', [], { prepare: true });
    expect(settledBeyond.rows.some((row) => Number(row['sequence']) > sequence)).toBe(true);

    const [status] = await streamStatuses(client, rig.temporal);
    expect(status).toMatchObject({
      stream,
      watermark,
      lag: '100',
      halted: expect.arrayContaining([expect.objectContaining(halted!)]),
      oldestUnsettled: { sequence: `${sequence}` },
    });
    expect(status?.oldestUnsettled?.why).toContain(
      `conflict (${conflict.reason}): balance ${user}/${asset}, expected ${conflict.expected}, found ${conflict.found}, since 20`,
    );
    const quarantined = await client.execute('SELECT * FROM quarantined_events', [], { prepare: true });
    expect(quarantined.rows.map((row) => `${row['sequence']}`)).toContain(conflict.sequence);

    await rig.stopWorker();
    await putBack(client, user, asset, rows);
    await rig.startWorker();
    for (const { partition } of running.ingest.progress.halted)
      await decidePartition(
        { client: rig.temporal, taskQueue: rig.taskQueue, stream, partition },
        { decision: 'resume', who: 'ann', why: 'put the balance back' },
      );
    await running.untilSettled(messages.length);
    await until('it counts as going on', () => running.ingest.progress.halted.length === 0);
    expect((await running.close()).unsettled).toBe(0);
    // The conflict stays on record: that is not a finding.
    expect((await rig.audit(stream, oracle)).findings).toEqual([]);
  }, 90_000);

  test('does not keep an ingest from closing, which says what is unsettled', async () => {
    const { messages } = simulated({ trades: 40 });
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, messages.slice(0, 9));
    await running.untilSettled(9);
    await changeByHand(rig.database.client, 1001n, 2);
    await rig.send(engine, messages.slice(9));
    await until('the partition is halted', () => running.ingest.progress.halted.length > 0, 40_000);
    const startedMs = Date.now();
    const ending = await running.close();
    expect(Date.now() - startedMs).toBeLessThan(15_000);
    expect(ending.kind).toBe('closed');
    expect(ending.unsettled).toBeGreaterThan(0);
    expect(ending.progress.halted.map(({ halt }) => halt.conflict)).toContainEqual(
      expect.objectContaining({ user: '1001', asset: 2 }),
    );
  }, 60_000);
});
