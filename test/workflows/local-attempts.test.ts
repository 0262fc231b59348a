/**
 * Local attempts: they run inside the workflow's task, so what is held here is what that could break: each attempt still
 * stands in the history, a person's Update gets in while one lasts, and a worker's death or shutdown costs seconds.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { FAILURE, type SettleAttemptResult } from '../../src/workflows/contract.ts';
import type { SettleRequest } from '../../src/settlement/settle-request.ts';
import {
  activityResults,
  all,
  behind,
  conflict,
  eventNames,
  failureType,
  localResults,
  preparePartition,
  replay,
  sendPastKilledWorker,
  SETTLED,
  settledBelow,
  startPartition,
  summaries,
  type PartitionUnderTest,
} from './support.ts';

/** Something that one side waits for and the other gives. */
function signal(): { readonly given: Promise<void>; readonly give: () => void } {
  let give = (): void => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}

const LOCAL = { activity: 'local' } as const;

let partition: PartitionUnderTest;

afterEach(async () => {
  const history = await partition.history();
  await partition.stop();
  await replay(history, partition.workflowId);
});

describe('a local attempt', () => {
  test('settles a chunk with six events of history', async () => {
    partition = await startPartition(undefined, LOCAL);
    expect(await partition.send(partition.chunk(1, 3))).toMatchObject({ outcome: 'settled', settled: 3 });
    const before = eventNames(await partition.history()).length;
    await partition.send(partition.chunk(4, 6));
    const history = await partition.history();
    expect(eventNames(history).slice(before)).toEqual([
      'WorkflowTaskScheduled',
      'WorkflowTaskStarted',
      'WorkflowTaskCompleted',
      'WorkflowExecutionUpdateAccepted',
      'MarkerRecorded',
      'WorkflowExecutionUpdateCompleted',
    ]);
    expect(localResults(history)).toMatchObject([{ settled: 3 }, { settled: 3 }]);
  });

  test('that finds balances behind stands in the history with what it found, and a timer before the next', async () => {
    partition = await startPartition((request, call) => all(request, call === 1 ? behind() : SETTLED), LOCAL);
    expect(await partition.send(partition.chunk(1, 2))).toMatchObject({ outcome: 'settled', attempts: 2 });
    const history = await partition.history();
    const [first] = localResults<SettleAttemptResult>(history);
    expect(first).toMatchObject({ settled: 0, remaining: ['1', '2'], waiting: [{ state: 'behind' }, {}] });
    // The next is a task of its own: it keeps nobody waiting.
    expect(activityResults<SettleAttemptResult>(history)).toMatchObject([{ settled: 2 }]);
    expect(summaries(history, 'timer')).toHaveLength(1);
  });

  test('that lasts lets a question and a person in after a renewal of its task', async () => {
    let answer = (): void => {};
    partition = await startPartition(
      (request, call) => {
        if (call > 1) return all(request, SETTLED);
        return new Promise((resolve) => {
          answer = () => resolve(all(request, conflict('gap')));
        });
      },
      { ...LOCAL, activityMsMax: 20_000, updateMsMax: 20_000 },
    );
    partition.workflowTaskMs = 4_000;
    const sent = partition.send(partition.chunk(1, 1));
    await expect.poll(() => partition.settler.requests.length, { timeout: 4_000 }).toBe(1);
    const asked = Date.now();
    expect(await partition.resume()).toEqual({});
    expect((await partition.status()).unfinished).toBe(1);
    expect(Date.now() - asked).toBeLessThan(3 * partition.workflowTaskMs);
    expect(partition.settler.requests).toHaveLength(1);
    answer();
    expect(await sent).toMatchObject({ outcome: 'halted' });
  }, 60_000);

  test('may last as long as its own bound, and a dismissal waits no longer for one that nobody hears', async () => {
    partition = await startPartition(
      (request, call) => {
        if (call > 1) return all(request, SETTLED);
        return new Promise((_resolve, reject) => {
          request.signal?.addEventListener('abort', () => reject(new Error('cut off')));
        });
      },
      { ...LOCAL, localMsMax: 1_000, activityMsMax: 20_000, updateMsMax: 20_000 },
    );
    const began = Date.now();
    expect(await partition.send(partition.chunk(1, 2))).toMatchObject({ outcome: 'settled', attempts: 2 });
    expect(Date.now() - began).toBeLessThan(15_000);
    const { quietAt = '' } = await partition.status();
    expect(Date.parse(quietAt)).toBeGreaterThan(began + 1_000);
    expect(Date.parse(quietAt)).toBeLessThan(Date.now() + 1_000);
  }, 30_000);

  test('waits for attempts that are tasks of their own to end: the SDK would lose their ends beside it', async () => {
    const secondBegan = signal();
    const secondMayEnd = signal();
    const isOf = (request: SettleRequest, sequence: bigint): boolean =>
      request.events[0]?.event.sequence === sequence;
    partition = await startPartition(
      async (request, call) => {
        // 1 is left behind, so 2 and what is left of 1 are tasks of their own; 1 is settled while 2 is under way.
        if (call === 1) return all(request, behind());
        if (isOf(request, 1n)) await secondBegan.given;
        if (isOf(request, 2n)) {
          secondBegan.give();
          await secondMayEnd.given;
        }
        return all(request, SETTLED);
      },
      { ...LOCAL, activityMsMax: 20_000, heartbeatMsMax: 20_000, updateMsMax: 20_000, waitMsFirst: 500 },
    );
    const first = partition.send(partition.chunk(1, 1));
    await expect.poll(() => partition.settler.requests.length, { timeout: 5_000 }).toBe(1);
    const second = partition.send(partition.chunk(2, 2));
    expect(await first).toMatchObject({ outcome: 'settled', attempts: 2 });
    const third = partition.send(partition.chunk(3, 3));
    await expect.poll(async () => (await partition.status()).unfinished, { timeout: 5_000 }).toBe(2);
    expect(partition.settler.requests.filter((request) => isOf(request, 3n))).toEqual([]);
    secondMayEnd.give();
    expect(await second).toMatchObject({ outcome: 'settled', attempts: 1 });
    expect(await third).toMatchObject({ outcome: 'settled', attempts: 1 });
    const history = await partition.history();
    expect(localResults(history)).toMatchObject([{ settled: 0 }, { settled: 1 }]);
    expect(activityResults(history)).toHaveLength(2);
  }, 60_000);

  test('of rows that cannot be read fails its Update by name', async () => {
    partition = await startPartition(undefined, LOCAL);
    const chunk = partition.chunk(1, 1);
    const ledgerEvents = { ...chunk.ledgerEvents, rows: ['1 gift'] };
    const error: unknown = await partition
      .send({ ...chunk, ledgerEvents })
      .catch((failure: unknown) => failure);
    expect(failureType(error)).toBe(FAILURE.badChunk);
  });
});

describe('a worker with local attempts', () => {
  test('killed while it settles a chunk is replaced within seconds, and the sender gets its result', async () => {
    partition = await preparePartition(undefined, { ...LOCAL, activityMsMax: 30_000, updateMsMax: 30_000 });
    const result = await sendPastKilledWorker(partition, partition.chunk(1, 3));
    expect(result).toMatchObject({ outcome: 'settled', settled: 3 });
    expect(partition.settler.requests).toHaveLength(1);
  }, 60_000);

  test('shut down while it settles a chunk hands back what is not settled, and the next one goes on', async () => {
    partition = await startPartition(
      (request, call) => {
        if (call > 1) return all(request, SETTLED);
        return new Promise((resolve) => {
          request.leave?.addEventListener('abort', () => resolve(settledBelow(request, 2n, behind())));
        });
      },
      { ...LOCAL, activityMsMax: 30_000, updateMsMax: 30_000 },
    );
    const sent = partition.send(partition.chunk(1, 3));
    await expect.poll(() => partition.settler.requests.length, { timeout: 4_000 }).toBe(1);
    const began = Date.now();
    await partition.stopWorker();
    expect(Date.now() - began).toBeLessThan(10_000);
    await partition.startWorker();
    expect(await sent).toMatchObject({ outcome: 'settled', settled: 3 });
    const history = await partition.history();
    expect(localResults(history)).toMatchObject([{ settled: 1 }]);
    expect(activityResults(history)).toMatchObject([{ settled: 2 }]);
  }, 60_000);
});
