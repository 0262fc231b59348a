/**
 * Dismissals that are cut off: the worker is killed in the middle, or the workflow loses its history there. Whoever comes
 * next finishes the same void, and nothing else can be decided about the event meanwhile.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { partitionOf } from '../../src/domain/partition.ts';
import { readQuarantinedEvent, writeDecision } from '../../src/ledger/quarantine.ts';
import { partitionWorkflowId } from '../../src/workflows/contract.ts';
import { PARTITIONS, Rig, temporalAddress } from '../ingest/rig.ts';
import { DYING, DYING_PLACES, type DyingPlace } from './dying-place.ts';
import { Stating } from './engine.ts';
import { balanceOf, decide, entriesOf, untilHalted } from './support.ts';

let rig: Rig;
const children: ChildProcess[] = [];
beforeAll(async () => {
  rig = await Rig.start();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rig.stopWorker();
  await rig.clear();
});
afterAll(() => rig.stop());

const stating = (): Stating =>
  new Stating().ledger('DEPOSIT', 1, 0, 10).ledger('WITHDRAW', 1, 1, 15).ledger('DEPOSIT', 1, 2, 5);

/** A worker that dies at a place. Resolves when it serves. */
async function dyingWorker(place: DyingPlace): Promise<ChildProcess> {
  const order = {
    address: temporalAddress(),
    taskQueue: rig.taskQueue,
    partitions: PARTITIONS,
    place,
    database: rig.database.options,
  };
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('dying-worker.ts', import.meta.url))],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, [DYING]: JSON.stringify(order) } },
  );
  children.push(child);
  await once(child.stdout, 'data');
  return child;
}

async function untilHalt(stream: string) {
  const engine = await rig.engine();
  const running = await rig.ingest({ stream, endpoint: engine.endpoint });
  const events = stating();
  await rig.send(engine, events.messages);
  await untilHalted(running, 2);
  return { running, engine, events };
}

async function expectDismissed(stream: string): Promise<void> {
  expect(await entriesOf(rig, 1)).toEqual(['1 deposit 1', '2 void 2', '3 deposit 3']);
  expect(await balanceOf(rig, 1)).toBe('15 0 3 3');
  const report = await rig.audit(stream);
  expect(report.findings).toEqual([]);
  expect(report.dismissed).toMatchObject([{ sequence: '2', finished: true, row: true, who: 'ann' }]);
}

describe('a dismissal', () => {
  test.each(DYING_PLACES)(
    'whose worker is killed %s is finished by the next one, as if nothing had been',
    async (place) => {
      await rig.startWorker();
      const stream = rig.stream();
      const { running } = await untilHalt(stream);
      await rig.stopWorker();
      const child = await dyingWorker(place);
      const decided = decide(rig, stream, 1, 'dismiss', 2);
      await once(child, 'exit');
      await rig.startWorker();
      expect(await decided).toMatchObject({ outcome: 'done', balances: [{ place: 'free' }] });
      // Again, by somebody who did not hear of it.
      expect(await decide(rig, stream, 1, 'dismiss', 2)).toMatchObject({
        outcome: 'done',
        balances: [{ place: 'free' }],
      });
      await running.untilSettled(3);
      await expectDismissed(stream);
    },
    90_000,
  );

  test('that was begun is finished by a workflow which knows nothing, before it settles anything', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const { running, engine, events } = await untilHalt(stream);
    await running.close();
    const { client } = rig.database;
    await writeDecision(client, stream, 2n, { word: 'dismiss', who: 'ann', why: 'begun', atMs: Date.now() });
    // By a worker whose clock was an hour ahead.
    await client.execute(
      "UPDATE quarantined_events USING TIMESTAMP ? SET decision = 'dismiss' WHERE stream = ? AND sequence = 2",
      [BigInt(Date.now() + 3_600_000) * 1_000n, stream],
      { prepare: true },
    );
    expect(await decide(rig, stream, 1, 'retry', 2)).toMatchObject({
      outcome: 'refused',
      reason: 'dismissal-begun',
    });
    const partition = partitionOf(1n, PARTITIONS);
    await rig.temporal.workflow.getHandle(partitionWorkflowId(stream, partition)).terminate('lost');
    const second = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, events.messages.slice(1));
    await second.untilSettled(3);
    expect((await readQuarantinedEvent(client, stream, 2n))?.decision).toMatchObject({ word: 'dismissed' });
    await expectDismissed(stream);
  }, 90_000);

  test('of an event that the engine sends again is a duplicate', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const { running, engine, events } = await untilHalt(stream);
    await running.close();
    expect(await decide(rig, stream, 1, 'dismiss', 2)).toMatchObject({ outcome: 'done' });
    const second = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, events.messages);
    await second.untilSettled(3);
    await rig.send(engine, events.messages.slice(1));
    await expect.poll(() => second.ingest.progress.duplicates, { timeout: 10_000 }).toBe(3);
    await expectDismissed(stream);
  }, 60_000);
});
