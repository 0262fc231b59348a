/**
 * The partition's workflow on the real Temporal: what an Update answers, and what then stands in the history for people
 * to read. The settler is scripted; every history made here is replayed once the test is over (I9).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { Script } from './support.ts';
import { StorageUnavailableError } from '../../src/settlement/settle-request.ts';
import { FAILURE, partitionSummary, SETTLE_UPDATE } from '../../src/workflows/contract.ts';
import type {
  Chunk,
  PartitionLimits,
  SettleAttemptResult,
  SettleResult,
} from '../../src/workflows/contract.ts';
import {
  activityResults,
  all,
  behind,
  conflict,
  doubt,
  eventNames,
  failureOf,
  type PartitionUnderTest,
  replay,
  SETTLED,
  settledBelow,
  startPartition,
  summaries,
} from './support.ts';

let started: PartitionUnderTest[] = [];

async function start(script?: Script, limits?: Partial<PartitionLimits>): Promise<PartitionUnderTest> {
  const partition = await startPartition(script, limits);
  started.push(partition);
  return partition;
}

afterEach(async () => {
  const ended = started;
  started = [];
  await Promise.all(
    ended.map(async (partition) => {
      const history = await partition.history();
      await partition.stop();
      await replay(history, partition.workflowId);
    }),
  );
});

const count = (names: string[], name: string): number => names.filter((one) => one === name).length;

describe('a chunk that is ready', () => {
  test('is settled by one attempt, with eleven events of history', async () => {
    const partition = await start();
    const result = await partition.send(partition.chunk(1, 500));
    expect(result).toEqual({ outcome: 'settled', settled: 500, remaining: [], waiting: [], attempts: 1 });
    await partition.send(partition.chunk(501, 501));
    const history = await partition.history();
    expect(eventNames(history).slice(12)).toEqual([
      'WorkflowTaskScheduled',
      'WorkflowTaskStarted',
      'WorkflowTaskCompleted',
      'WorkflowExecutionUpdateAccepted',
      'ActivityTaskScheduled',
      'ActivityTaskStarted',
      'ActivityTaskCompleted',
      'WorkflowTaskScheduled',
      'WorkflowTaskStarted',
      'WorkflowTaskCompleted',
      'WorkflowExecutionUpdateCompleted',
    ]);
    expect(summaries(history, 'activity')).toEqual([
      '1–500, 500 events, attempt 1',
      '501, 1 event, attempt 1',
    ]);
  });

  test('stamps its rows with the way back to its run', async () => {
    const partition = await start();
    await partition.send(partition.chunk(7, 9));
    const [run] = await partition.runs();
    const { at, ...origin } = JSON.parse(partition.settler.requests[0]?.settledBy ?? '{}');
    expect(origin).toEqual({ workflow: partition.workflowId, run, chunk: '7-9' });
    expect(new Date(at).toISOString()).toBe(at);
  });

  test('is answered from the history when it is sent again under the same id', async () => {
    const partition = await start();
    const first = await partition.send(partition.chunk(1, 3));
    expect(await partition.send(partition.chunk(1, 3))).toEqual(first);
    expect(partition.settler.requests).toHaveLength(1);
  });

  test('is counted by the status query, which also names the lease', async () => {
    const partition = await start();
    await partition.send(partition.chunk(1, 3));
    await partition.send(partition.chunk(4, 5, { lease: '2' }));
    expect(await partition.status()).toEqual({
      stream: partition.stream,
      partition: 0,
      lease: '2',
      settledTotal: '5',
      unfinished: 0,
      underWay: [],
      waiting: [],
    });
  });

  test('shows in the UI under a summary', async () => {
    const partition = await start();
    await partition.send(partition.chunk(1, 3));
    const { staticSummary } = await partition.handle.describe();
    expect(await staticSummary()).toBe(partitionSummary(partition.stream, 0).staticSummary);
  });
});

describe('a chunk whose balances are behind', () => {
  test('is tried again after a timer, each attempt in the history with what was expected and found', async () => {
    const partition = await start((request, call) =>
      call < 3 ? settledBelow(request, 3n, behind()) : all(request, SETTLED),
    );
    const result = await partition.send(partition.chunk(1, 4));
    expect(result).toMatchObject({ outcome: 'settled', settled: 4, remaining: [], attempts: 3 });
    const history = await partition.history();
    const results = activityResults<SettleAttemptResult>(history);
    expect(results.map(({ settled, remaining }) => [settled, remaining])).toEqual([
      [2, ['3', '4']],
      [0, ['3', '4']],
      [2, []],
    ]);
    expect(results[0]?.waiting[0]).toEqual({
      sequence: '3',
      event: 'deposit',
      state: 'behind',
      user: '1001',
      asset: 2,
      expected: '31',
      found: '30',
    });
    expect(summaries(history, 'timer')).toEqual([
      'waiting for 1001/2 v31, found v30 — deposit (sequence 3), attempt 1',
      'waiting for 1001/2 v31, found v30 — deposit (sequence 3), attempt 2',
    ]);
    expect(summaries(history, 'activity').at(-1)).toBe('1–4, 2 events, attempt 3');
  });

  test('is handed to the settler again with its remaining rows only', async () => {
    const partition = await start((request, call) =>
      call === 1 ? settledBelow(request, 4n, behind()) : all(request, SETTLED),
    );
    await partition.send(partition.chunk(1, 5));
    const asked = partition.settler.requests.map(({ events }) =>
      events.map(({ event }) => Number(event.sequence)),
    );
    expect(asked).toEqual([
      [1, 2, 3, 4, 5],
      [4, 5],
    ]);
  });

  test('goes back as behind, with its remainder, once its attempts are used up', async () => {
    const partition = await start((request) => settledBelow(request, 2n, behind()), { attemptsMax: 3 });
    const result = await partition.send(partition.chunk(1, 3));
    expect(result).toMatchObject({ outcome: 'behind', settled: 1, remaining: ['2', '3'], attempts: 3 });
    expect(result.waiting[0]).toMatchObject({ sequence: '2', expected: '31', found: '30' });
    expect((await partition.status()).settledTotal).toBe('1');
  });

  test('goes back as behind once its time is used up, without a wait beyond it', async () => {
    const limits = { updateMsMax: 400, waitMsFirst: 50, waitMsMax: 10_000, attemptsMax: 100 };
    const partition = await start((request) => all(request, behind()), limits);
    await partition.send(partition.chunk(1, 1));
    const begunMs = Date.now();
    const result = await partition.send(partition.chunk(2, 2));
    expect(Date.now() - begunMs).toBeLessThan(1_500);
    expect(result).toMatchObject({ outcome: 'behind', remaining: ['2'] });
    expect(result.attempts).toBeLessThanOrEqual(4);
  });

  test('waits ever longer, and from the shortest wait again after progress', async () => {
    const limits = { waitMsFirst: 20, waitMsMax: 80, attemptsMax: 8 };
    const partition = await start(
      (request, call) => settledBelow(request, call < 5 ? 1n : BigInt(call - 3), behind()),
      limits,
    );
    await partition.send(partition.chunk(1, 2));
    const { events } = await partition.history();
    const waits = (events ?? []).flatMap(({ timerStartedEventAttributes: timer }) =>
      timer ? [(timer.startToFireTimeout?.nanos ?? 0) / 1e6] : [],
    );
    expect(waits).toEqual([20, 40, 80, 80, 20]);
  });

  test('shows in the status what it waits for', async () => {
    const partition = await start((request) => all(request, behind()), { attemptsMax: 3, waitMsFirst: 400 });
    const sent = partition.send(partition.chunk(1, 2));
    await expect
      .poll(() => partition.status().catch(() => undefined), { timeout: 4_000 })
      .toMatchObject({ unfinished: 1, waiting: [{ sequence: '1', state: 'behind' }, { sequence: '2' }] });
    await sent;
  });
});

describe('a conflict', () => {
  test('ends its chunk as halted and keeps the event for people', async () => {
    const partition = await start((request) => settledBelow(request, 3n, conflict('version-taken')));
    const result = await partition.send(partition.chunk(1, 4));
    expect(result).toMatchObject({
      outcome: 'halted',
      settled: 2,
      remaining: ['3', '4'],
      attempts: 1,
      halt: { conflict: { sequence: '3', reason: 'version-taken', expected: '31', found: '33' } },
    });
    expect(
      partition.quarantined.map(({ conflict: report, event }) => [report.sequence, event.sequence]),
    ).toEqual([['3', 3n]]);
    expect((await partition.status()).halt).toEqual(result.halt);
  });

  test('lets later chunks be answered halted at once, without an activity or an event of history', async () => {
    const partition = await start((request) => all(request, conflict('gap')));
    const { halt } = await partition.send(partition.chunk(1, 2));
    const before = (await partition.history()).events?.length;
    for (let at = 0; at < 20; at += 1) {
      const failure = await failureOf(partition.send(partition.chunk(3, 5)));
      expect(failure.type).toBe(FAILURE.halted);
      expect(failure.details?.[0] as SettleResult).toEqual({
        outcome: 'halted',
        settled: 0,
        remaining: ['3', '4', '5'],
        waiting: [],
        attempts: 0,
        halt,
      });
    }
    expect(partition.settler.requests).toHaveLength(1);
    expect((await partition.history()).events?.length).toBe(before);
  });

  test('ends chunks that wait beside it', async () => {
    const partition = await start(
      (request) => all(request, request.events[0]?.event.sequence === 1n ? behind() : conflict('gap')),
      { waitMsFirst: 3_000, waitMsMax: 3_000 },
    );
    const waiting = partition.send(partition.chunk(1, 1));
    await expect.poll(() => partition.settler.requests.length).toBe(1);
    await delay(100);
    await partition.send(partition.chunk(2, 2));
    const begunMs = Date.now();
    expect(await waiting).toMatchObject({
      outcome: 'halted',
      remaining: ['1'],
      halt: { conflict: { sequence: '2' } },
    });
    expect(Date.now() - begunMs).toBeLessThan(1_500);
  });

  test('is lifted by resume, which stands in the history, so that the next chunk decides', async () => {
    let isMended = false;
    const partition = await start((request) => all(request, isMended ? SETTLED : conflict('gap')));
    const { halt } = await partition.send(partition.chunk(1, 2));
    expect(await partition.resume()).toEqual({ lifted: halt });
    expect((await partition.status()).halt).toBeUndefined();
    expect(await partition.send(partition.chunk(1, 2, { try: 2 }))).toMatchObject({ outcome: 'halted' });
    isMended = true;
    await partition.resume();
    expect(await partition.send(partition.chunk(1, 2, { try: 3 }))).toMatchObject({ outcome: 'settled' });
    expect(await partition.resume()).toEqual({});
    const history = JSON.stringify((await partition.history()).events);
    expect(history).toContain(Buffer.from('{"who":"ann","why":"looked at it"}').toString('base64'));
  });

  test('names the lowest of several', async () => {
    const partition = await start(async (request) => {
      const isHigh = request.events[0]?.event.sequence === 5n;
      if (!isHigh) await delay(150);
      return all(request, conflict(isHigh ? 'gap' : 'overflow'));
    });
    await Promise.all([partition.send(partition.chunk(4, 4)), partition.send(partition.chunk(5, 5))]);
    expect((await partition.status()).halt?.conflict).toMatchObject({ sequence: '4', reason: 'overflow' });
  });
});

describe('doubt', () => {
  test('is read again after a timer, and its first moment is carried over attempts and Updates', async () => {
    const partition = await start((request, call) => all(request, doubt(1_000 + call)), { attemptsMax: 2 });
    await partition.send(partition.chunk(1, 1));
    await partition.send(partition.chunk(1, 1, { try: 2 }));
    const carried = partition.settler.requests.map(({ events }) => events[0]?.doubtSinceMs);
    expect(carried).toEqual([undefined, 1_001, 1_001, 1_001]);
    expect(summaries(await partition.history(), 'timer')[0]).toBe(
      'in doubt about 1001/2 v31, found v32 — deposit (sequence 1), attempt 1',
    );
  });

  test('that outlasted its limit halts, and a later read that shows the event settled lifts the halt', async () => {
    let isReplayed = false;
    const partition = await start((request) =>
      request.events.map(({ event }) => (event.sequence !== 2n || isReplayed ? SETTLED : conflict('doubt'))),
    );
    expect(await partition.send(partition.chunk(1, 3))).toMatchObject({
      outcome: 'halted',
      remaining: ['2'],
    });
    // Another chunk does not decide about it; its own does, once each time it comes.
    expect((await failureOf(partition.send(partition.chunk(4, 5)))).type).toBe(FAILURE.halted);
    const again = await partition.send(partition.chunk(2, 2, { try: 2 }));
    expect(again).toMatchObject({ outcome: 'halted', remaining: ['2'], attempts: 1 });
    isReplayed = true;
    const resumed = await partition.send(partition.chunk(2, 2, { try: 3 }));
    expect(resumed).toEqual({ outcome: 'settled', settled: 1, remaining: [], waiting: [], attempts: 1 });
    expect((await partition.status()).halt).toBeUndefined();
    expect(await partition.send(partition.chunk(4, 5))).toMatchObject({ outcome: 'settled' });
  });

  test('keeps the time of its first halt however often it is found again', async () => {
    const partition = await start((request) => all(request, conflict('doubt')));
    const first = await partition.send(partition.chunk(1, 1));
    await delay(20);
    const second = await partition.send(partition.chunk(1, 1, { try: 2 }));
    expect(second.halt).toEqual(first.halt);
  });
});

describe('a dismissal of which nobody knows how far it came', () => {
  test('can only be repeated, until it is refused at a time when no attempt at it can be running', async () => {
    const limits = { activityMsMax: 4_000 };
    const partition = await start((request) => all(request, conflict('write-time')), limits);
    await partition.send(partition.chunk(1, 1));
    partition.decideEnding = 'never';
    expect(await partition.decide('dismiss', '1')).toMatchObject({ reason: 'unavailable' });
    partition.decideEnding = 'refused';
    expect(await partition.decide('dismiss', '1')).toMatchObject({
      reason: 'unavailable',
      message: expect.stringMatching(/may still come\. An earlier attempt .* repeat it after 20.*Z/),
    });
    expect((await partition.status()).dismissing).toEqual(['1']);
    expect(await partition.decide('retry', '1')).toMatchObject({ reason: 'dismissal-begun' });
    await delay(limits.activityMsMax);
    expect(await partition.decide('dismiss', '1')).toMatchObject({ reason: 'behind' });
    expect((await partition.status()).dismissing).toBeUndefined();
    partition.decideEnding = 'done';
    expect(await partition.decide('retry', '1')).toMatchObject({ outcome: 'done', lifted: {} });
    expect(await partition.send(partition.chunk(1, 1, { try: 2 }))).toMatchObject({ outcome: 'halted' });
  });
});

describe('a dismissal that a later attempt refused', () => {
  test('can only be repeated as long as the one before, which nobody hears, may be running', async () => {
    const limits = { activityMsMax: 4_000 };
    const partition = await start((request) => all(request, conflict('write-time')), limits);
    await partition.send(partition.chunk(1, 1));
    partition.decideEnding = 'refused-late';
    expect(await partition.decide('dismiss', '1')).toMatchObject({
      reason: 'unavailable',
      message: expect.stringContaining('An earlier attempt at the dismissal may still be running'),
    });
    expect((await partition.status()).dismissing).toEqual(['1']);
    await delay(limits.activityMsMax);
    partition.decideEnding = 'refused';
    expect(await partition.decide('dismiss', '1')).toMatchObject({ reason: 'behind' });
    expect((await partition.status()).dismissing).toBeUndefined();
  });
});

describe('a lease', () => {
  test('older than one that was seen is refused by name, and leaves no trace', async () => {
    const partition = await start();
    await partition.send(partition.chunk(1, 2, { lease: '7' }));
    const before = (await partition.history()).events?.length;
    const failure = await failureOf(partition.send(partition.chunk(3, 4, { lease: '6' })));
    expect(failure).toMatchObject({
      type: FAILURE.staleLease,
      nonRetryable: true,
      message: 'chunk 3-4 is of lease 6; lease 7 has taken over',
      details: [{ lease: '7' }],
    });
    expect((await partition.history()).events?.length).toBe(before);
  });

  test('that takes over ends the waits of the older one, without a further attempt', async () => {
    const partition = await start(
      (request) => all(request, request.events[0]?.event.sequence === 1n ? behind() : SETTLED),
      { waitMsFirst: 3_000, waitMsMax: 3_000 },
    );
    const old = partition.send(partition.chunk(1, 1));
    await expect.poll(() => partition.settler.requests.length).toBe(1);
    await delay(100);
    await partition.send(partition.chunk(2, 2, { lease: '2' }));
    expect(await old).toMatchObject({ outcome: 'behind', remaining: ['1'], attempts: 1 });
    expect(partition.settler.requests).toHaveLength(2);
  });
});

describe('storage that does not answer', () => {
  const broken: Script = () => {
    throw new StorageUnavailableError('no quorum', new Error('2 of 3 are down'));
  };

  test('ends the chunk as unavailable within its bound, with the problem as text', async () => {
    const partition = await start(broken, { updateMsMax: 2_500, activityMsMax: 2_500 });
    const result = await partition.send(partition.chunk(1, 2));
    expect(result).toMatchObject({ outcome: 'unavailable', settled: 0, remaining: ['1', '2'], attempts: 1 });
    expect(result.problem).toContain('no quorum: 2 of 3 are down');
    expect(partition.settler.requests.length).toBeGreaterThan(1);
  });

  test('and hangs is given up with the last error that was heard of it', async () => {
    const partition = await start(
      async (request, call) => {
        if (call === 1) return broken(request, call);
        await delay(1_500, undefined, { signal: request.signal });
        return [];
      },
      { updateMsMax: 800, activityMsMax: 800 },
    );
    const result = await partition.send(partition.chunk(1, 1));
    expect(result.problem).toContain('activity ScheduleToClose timeout: no quorum: 2 of 3 are down');
  });

  test('is waited for, so that a short fault goes unnoticed', async () => {
    const partition = await start((request, call) =>
      call < 3 ? broken(request, call) : all(request, SETTLED),
    );
    expect(await partition.send(partition.chunk(1, 2))).toMatchObject({ outcome: 'settled', attempts: 1 });
    // An earlier try of the attempt was lost; nobody can know that it no longer runs.
    expect((await partition.status()).quietAt).toBeDefined();
  });

  test('does not make an unknown fault of the settler fail the workflow', async () => {
    const partition = await start(
      (_request, call) => {
        if (call < 3) throw new TypeError('x is undefined');
        return [];
      },
      { updateMsMax: 900, activityMsMax: 900 },
    );
    const result = await partition.send(partition.chunk(1, 2));
    expect(result).toMatchObject({ outcome: 'unavailable', remaining: ['1', '2'] });
    expect(result.problem).toMatch(/x is undefined|did not answer for sequence 1/);
  });
});

describe('a chunk that is none', () => {
  test.each<[string, (chunk: Chunk) => unknown, RegExp]>([
    ['of another stream', (chunk) => ({ ...chunk, stream: 'other' }), /of stream "other"/],
    ['of another partition', (chunk) => ({ ...chunk, partition: 3 }), /of partition 3, not 0/],
    ['with a lease that is no number', (chunk) => ({ ...chunk, lease: '01' }), /lease: "01"/],
    ['with rows beyond its last', (chunk) => ({ ...chunk, last: '2' }), /go from 1 to 3, not from 1 to 2/],
    ['without rows', (chunk) => ({ ...chunk, ledgerEvents: { columns: '', rows: [] } }), /no events/],
    ['that is null', () => null, /no chunk/],
    [
      'with other columns',
      (chunk) => ({ ...chunk, ledgerEvents: { ...chunk.ledgerEvents, columns: 'a b' } }),
      /columns "a b"/,
    ],
    [
      'with a sequence twice',
      (chunk) => ({
        ...chunk,
        ledgerEvents: { ...chunk.ledgerEvents, rows: ['1 x', '2 x', '2 x', '3 x'] },
      }),
      /2 stands behind 2/,
    ],
  ])('%s is refused and leaves no trace', async (_name, spoil, message) => {
    const partition = await start();
    await partition.send(partition.chunk(9, 9));
    const failure = await failureOf(
      partition.handle.executeUpdate(SETTLE_UPDATE, { args: [spoil(partition.chunk(1, 3))] }),
    );
    expect(failure.type).toBe(FAILURE.badChunk);
    expect(failure.message).toMatch(message);
    expect(partition.settler.requests).toHaveLength(1);
  });

  test('since its rows cannot be read fails its Update with every fault named, and is not tried again', async () => {
    const partition = await start();
    const chunk = partition.chunk(1, 3);
    const rows = chunk.ledgerEvents.rows.map((row, at) => (at === 1 ? row : row.replace('deposit', 'gift')));
    const failure = await failureOf(
      partition.send({ ...chunk, ledgerEvents: { ...chunk.ledgerEvents, rows } }),
    );
    expect(failure.type).toBe(FAILURE.badChunk);
    expect(failure.message).toContain('"gift" is no ledger event: "1 ');
    expect(failure.message).toContain('"gift" is no ledger event: "3 ');
    expect(count(eventNames(await partition.history()), 'ActivityTaskScheduled')).toBe(1);
    expect(await partition.send(partition.chunk(1, 3, { try: 2 }))).toMatchObject({ outcome: 'settled' });
  });
});
