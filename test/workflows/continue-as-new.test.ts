/**
 * Runs that end while chunks come in: a partition continues as new before any limit, never with an Update unfinished,
 * and its senders lose nothing by it. The limits here are small, so that a test sees many runs.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { FAILURE } from '../../src/workflows/contract.ts';
import type { SettleResult } from '../../src/workflows/contract.ts';
import {
  all,
  behind,
  conflict,
  doubt,
  eventNames,
  failureOf,
  type PartitionUnderTest,
  replay,
  SETTLED,
  startPartition,
} from './support.ts';

let partition: PartitionUnderTest;

afterEach(async () => {
  const runs = await partition.runs();
  const histories = await Promise.all(runs.map((run) => partition.history(run)));
  await partition.stop();
  for (const history of histories) await replay(history, partition.workflowId);
});

/** Sends chunks of two events until all is settled, one after another, as a sender of the ingest does. */
async function settleAll(sender: number, chunks: number): Promise<SettleResult[]> {
  const results: SettleResult[] = [];
  for (let at = 0; at < chunks; at += 1) {
    const first = 1 + 2 * (sender * chunks + at);
    let chunk = partition.chunk(first, first + 1);
    for (;;) {
      const result = await partition.sendUntilAnswered(chunk);
      results.push(result);
      if (result.outcome === 'settled') break;
      expect(result.outcome).toBe('behind');
      chunk = partition.chunk(Number(result.remaining[0]), first + 1, { try: chunk.try + 1 });
    }
  }
  return results;
}

describe('continue-as-new', () => {
  test.each([
    ['updates', { updatesPerRunMax: 5 }],
    ['events', { historyEventsMax: 60 }],
    ['bytes', { historyBytesMax: 20_000 }],
  ])(
    'by %s, with Updates of four senders waiting, settles each event and reports it once',
    async (_name, limits) => {
      const asked = new Map<bigint, number>();
      partition = await startPartition(
        // Every third attempt finds its last event behind, so that Updates wait while others want to close the run.
        (request, call) =>
          request.events.map(({ event }, at) => {
            if (call % 3 === 0 && at === request.events.length - 1) return behind();
            asked.set(event.sequence, (asked.get(event.sequence) ?? 0) + 1);
            return SETTLED;
          }),
        limits,
      );
      const results = (await Promise.all([0, 1, 2, 3].map((sender) => settleAll(sender, 10)))).flat();

      const runs = await partition.runs();
      expect(runs.length).toBeGreaterThan(5);
      expect(results.reduce((sum, { settled }) => sum + settled, 0)).toBe(80);
      expect((await partition.status()).settledTotal).toBe('80');
      expect([...asked.keys()].sort((a, b) => Number(a - b))).toEqual(
        Array.from({ length: 80 }, (_, at) => BigInt(at + 1)),
      );
      expect([...asked.values()].every((times) => times === 1)).toBe(true);
    },
    30_000,
  );

  test('takes the limits that the ingest told last, in the next run', async () => {
    partition = await startPartition(undefined, { updatesPerRunMax: 2 });
    const limits = { ...partition.limits, updatesPerRunMax: 3 };
    await partition.send(partition.chunk(1, 1, { limits }));
    for (const at of [2, 3, 4, 5, 6]) await partition.sendUntilAnswered(partition.chunk(at, at));
    const updates = await Promise.all(
      (await partition.runs()).map(
        async (run) =>
          eventNames(await partition.history(run)).filter(
            (name) => name === 'WorkflowExecutionUpdateAccepted',
          ).length,
      ),
    );
    expect(updates).toEqual([2, 3, 1]);
  });

  test('leaves no Update unfinished, and a timer between the last one and the end of the run', async () => {
    partition = await startPartition(undefined, { updatesPerRunMax: 3 });
    await Promise.all([0, 1].map((sender) => settleAll(sender, 6)));
    const runs = await partition.runs();
    // Twelve Updates, three to a run.
    expect(runs.length).toBeGreaterThanOrEqual(4);
    for (const run of runs.slice(0, -1)) {
      const names = eventNames(await partition.history(run));
      const count = (name: string): number => names.filter((one) => one === name).length;
      expect(count('WorkflowExecutionUpdateCompleted')).toBe(count('WorkflowExecutionUpdateAccepted'));
      expect(names.slice(-5)).toEqual([
        'TimerFired',
        'WorkflowTaskScheduled',
        'WorkflowTaskStarted',
        'WorkflowTaskCompleted',
        'WorkflowExecutionContinuedAsNew',
      ]);
      expect(names.lastIndexOf('WorkflowExecutionUpdateCompleted')).toBeLessThan(
        names.lastIndexOf('TimerStarted'),
      );
    }
  });

  test('refuses what comes while the run closes, without a trace, and ends the waits of what is in it', async () => {
    partition = await startPartition(
      async (request) => {
        if (request.events[0]?.event.sequence === 1n) return all(request, behind());
        await delay(400);
        return all(request, SETTLED);
      },
      { updatesPerRunMax: 2, waitMsFirst: 3_000, waitMsMax: 3_000 },
    );
    const waiting = partition.send(partition.chunk(1, 1));
    await expect.poll(() => partition.settler.requests.length).toBe(1);
    const last = partition.send(partition.chunk(2, 2));
    await expect.poll(() => partition.settler.requests.length).toBe(2);
    expect((await failureOf(partition.send(partition.chunk(3, 3)))).type).toBe(FAILURE.runClosing);
    expect(await waiting).toMatchObject({ outcome: 'behind', remaining: ['1'], attempts: 1 });
    expect(await last).toMatchObject({ outcome: 'settled' });
    expect(await partition.sendUntilAnswered(partition.chunk(3, 3))).toMatchObject({ outcome: 'settled' });
    expect(await partition.runs()).toHaveLength(2);
  });

  test('hands on lease, total, halt and doubts', async () => {
    partition = await startPartition(
      (request) =>
        request.events.map(({ event }) =>
          event.sequence === 3n ? conflict('gap') : event.sequence === 2n ? doubt(77) : SETTLED,
        ),
      { updatesPerRunMax: 1, attemptsMax: 1 },
    );
    const { halt } = await partition.send(partition.chunk(1, 3, { lease: '9' }));
    await expect.poll(() => partition.runs(), { timeout: 4_000 }).toHaveLength(2);
    expect(await partition.status()).toMatchObject({ lease: '9', settledTotal: '1', unfinished: 0, halt });
    expect((await failureOf(partition.send(partition.chunk(4, 4, { lease: '8' })))).type).toBe(
      FAILURE.staleLease,
    );
    const [, second] = await partition.runs();
    const { events } = await partition.history(second);
    const payload = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data;
    expect(JSON.parse(Buffer.from(payload ?? []).toString()).carried.doubts).toEqual({ '2': 77 });
  });

  test('shows people in each run which partition it is, and how it stands', async () => {
    partition = await startPartition(undefined, { updatesPerRunMax: 1 });
    await partition.send(partition.chunk(1, 3));
    await expect.poll(() => partition.runs(), { timeout: 4_000 }).toHaveLength(2);
    expect(await partition.details()).toBe(
      `- partition 0 of ${partition.stream}\n- **3** events settled, lease 1`,
    );
  });
});
