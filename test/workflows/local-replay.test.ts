/**
 * What the SDK writes of local attempts it must be able to read again, or a partition stands still at the next restart of
 * its worker (I9): many Updates at once, attempts that outlast renewals of their workflow task, waits, halts, people, and
 * workers that go away. Each history of it is replayed.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { Random } from '../../src/simulator/random.ts';
import { StorageUnavailableError } from '../../src/settlement/settle-request.ts';
import { FAILURE, type Chunk, type SettleResult } from '../../src/workflows/contract.ts';
import {
  all,
  behind,
  conflict,
  failureType,
  preparePartition,
  replay,
  SETTLED,
  settledBelow,
  type PartitionUnderTest,
  type Script,
} from './support.ts';

const PARTITIONS = 6;
const CHUNKS = 40;
const CHUNK_EVENTS = 3;
/** Sent at once to a partition, as an ingest does. */
const AT_ONCE = 4;
/** A task is renewed after four fifths of it: many attempts last longer. */
const WORKFLOW_TASK_MS = 1_000;
const RESTARTS = 3;
const SEED = 1;

const partitions: PartitionUnderTest[] = [];

afterAll(() => Promise.all(partitions.map((partition) => partition.stop())));

/** Answers late, or not at all, or with what remains. */
function unsteady(random: Random): Script {
  return async (request) => {
    const fate = random.below(100);
    const ms = fate < 60 ? random.below(20) : fate < 90 ? 50 + random.below(650) : 700 + random.below(1_800);
    const ends = delay(ms);
    const leaves = new Promise<void>((resolve) => {
      request.leave?.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([ends, leaves]);
    const answer = random.below(100);
    if (answer < 65) return all(request, SETTLED);
    if (answer < 85) return settledBelow(request, request.events[0]!.event.sequence + 1n, behind());
    if (answer < 93) return all(request, behind());
    if (answer < 97) throw new StorageUnavailableError('no quorum', new Error('2 of 3 are down'));
    return all(request, conflict('gap'));
  };
}

/** Sends a chunk until all of it is settled, as an ingest does; halts are lifted by a person. */
async function settle(partition: PartitionUnderTest, first: number): Promise<void> {
  let rest: Chunk = partition.chunk(first, first + CHUNK_EVENTS - 1, { try: 0 });
  for (let tries = 1; ; tries += 1) {
    const result: SettleResult | undefined = await partition.send(rest).catch(async (error: unknown) => {
      if (failureType(error) === FAILURE.halted) await partition.resume().catch(() => undefined);
      await delay(50);
      return undefined;
    });
    if (!result) continue;
    if (result.remaining.length === 0) return;
    if (result.halt) await partition.resume().catch(() => undefined);
    rest = partition.chunk(Number(result.remaining[0]), first + CHUNK_EVENTS - 1, { try: tries });
  }
}

async function settleAll(partition: PartitionUnderTest): Promise<void> {
  const firsts = Array.from({ length: CHUNKS }, (_, index) => 1 + index * CHUNK_EVENTS);
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let first = firsts.shift(); first !== undefined; first = firsts.shift())
        await settle(partition, first);
    }),
  );
}

describe('histories of local attempts', () => {
  test('that outlast their tasks, side by side with other Updates and over restarts, are replayed as they were', async () => {
    const random = new Random(SEED);
    for (let index = 0; index < PARTITIONS; index += 1) {
      const partition = await preparePartition(unsteady(random), {
        activity: 'local',
        updatesPerRunMax: 25,
        updateMsMax: 3_000,
      });
      partition.workflowTaskMs = WORKFLOW_TASK_MS;
      partitions.push(partition);
      await partition.startWorker();
    }
    const restarts = (async () => {
      for (let restart = 0; restart < RESTARTS; restart += 1) {
        await delay(4_000);
        const partition = partitions[restart % PARTITIONS]!;
        await partition.stopWorker();
        await partition.startWorker();
      }
    })();
    await Promise.all(partitions.map(settleAll));
    await restarts;
    let replayed = 0;
    for (const partition of partitions)
      for (const run of await partition.runs()) {
        await replay(await partition.history(run), partition.workflowId);
        replayed += 1;
      }
    expect(replayed).toBeGreaterThan(PARTITIONS);
  }, 180_000);
});
