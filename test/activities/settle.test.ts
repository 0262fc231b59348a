/**
 * The settle activity between Temporal and a scripted settler: rows become events, outcomes become a result in words,
 * faults become failures with stable types.
 */
import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createSettleActivities } from '../../src/activities/settle.ts';
import { LEDGER_COLUMNS, rowOf, TRADE_COLUMNS } from '../../src/domain/chunk.ts';
import { contentDigest } from '../../src/domain/digest.ts';
import type { SettlementEvent, Trade } from '../../src/domain/event.ts';
import { StorageUnavailableError } from '../../src/settlement/settle-request.ts';
import type { EventOutcome, SettleRequest } from '../../src/settlement/settle-request.ts';
import { FAILURE, SETTLE_ACTIVITY } from '../../src/workflows/contract.ts';
import type { ConflictReport, SettleAttempt, SettleAttemptResult } from '../../src/workflows/contract.ts';

const SETTLED: EventOutcome = { kind: 'settled', duplicate: false };
const balance = { userId: 9_007_199_254_740_993n, assetId: 2, expected: 31n, found: 30n };

function deposit(sequence: bigint): SettlementEvent {
  const common = { timeMs: 1_700_000_000_000, stamped: false, sequenceId: sequence, relatedId: 0n };
  const what = { userId: 1001n, amount: 5n, currency: 2, version: sequence - 1n, versionStated: true };
  return { kind: 'deposit', sequence, ...common, ...what };
}

function trade(sequence: bigint): Trade {
  return {
    kind: 'trade',
    sequence,
    timeMs: 1_700_000_000_000,
    stamped: true,
    tradeId: 7n,
    buyOrderId: 1n,
    sellOrderId: 2n,
    buyerUserId: 1001n,
    sellerUserId: 1002n,
    price: 3n,
    quantity: 4n,
    baseAsset: 1,
    quoteAsset: 2,
    buyerRefund: 0n,
    sellerRefund: 0n,
    matchSeq: 1n,
    outputSequence: sequence,
    quoteAmount: 12n,
    buyerQuoteVersion: 1n,
    buyerBaseVersion: 0n,
    sellerBaseVersion: 1n,
    sellerQuoteVersion: 0n,
  };
}

/** That of the chunk, however many the worker was told of. */
const PARTITION = 5;

function attemptAt(events: readonly SettlementEvent[], doubts: Record<string, number> = {}): SettleAttempt {
  const rowsOf = (isTrade: boolean): string[] =>
    events
      .filter((event) => (event.kind === 'trade') === isTrade)
      .map((event) => rowOf({ event, predecessors: event.sequence === 2n ? [1n, undefined] : [] }));
  return {
    attempt: 1,
    doubts,
    chunk: {
      stream: 's',
      partition: PARTITION,
      lease: '1',
      first: `${events[0]?.sequence}`,
      last: `${events.at(-1)?.sequence}`,
      try: 1,
      trades: { columns: TRADE_COLUMNS, rows: rowsOf(true) },
      ledgerEvents: { columns: LEDGER_COLUMNS, rows: rowsOf(false) },
    },
  };
}

interface Run {
  readonly result: Promise<SettleAttemptResult>;
  readonly environment: MockActivityEnvironment;
  readonly requests: SettleRequest[];
  readonly quarantined: [string, number, ConflictReport, SettlementEvent][];
}

function run(
  attempt: SettleAttempt,
  settle: (request: SettleRequest) => EventOutcome[] | Promise<EventOutcome[]>,
  info: ConstructorParameters<typeof MockActivityEnvironment>[0] = {},
): Run {
  const environment = new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });
  const requests: SettleRequest[] = [];
  const quarantined: Run['quarantined'] = [];
  const activities = createSettleActivities({
    attemptMs: 1_234,
    settler: {
      async settle(request) {
        requests.push(request);
        return settle(request);
      },
    },
    async quarantine({ stream, partition }, ...what) {
      quarantined.push([stream, partition, ...what]);
    },
  });
  const result = environment.run(activities[SETTLE_ACTIVITY], attempt) as Promise<SettleAttemptResult>;
  return { result, environment, requests, quarantined };
}

describe('a chunk', () => {
  test('reaches the settler as events in order of sequence, with digests and predecessors', async () => {
    const events = [deposit(1n), trade(2n), deposit(3n)];
    const { result, requests } = run(attemptAt(events, { '3': 77 }), () => [SETTLED, SETTLED, SETTLED]);
    await result;
    const [request] = requests;
    expect(request?.events.map(({ event }) => event)).toEqual(events);
    expect(request?.events.map(({ digest }) => digest)).toEqual(events.map(contentDigest));
    expect(request?.events.map(({ predecessors }) => predecessors)).toEqual([[], [1n, undefined], []]);
    expect(request?.events.map(({ doubtSinceMs }) => doubtSinceMs)).toEqual([undefined, undefined, 77]);
    expect(request).toMatchObject({ stream: 's', attemptMs: 1_234 });
  });

  test('gives its rows a cell that leads back to the run', async () => {
    const info = { workflowExecution: { workflowId: 'settle-s-0', runId: 'r-1' } };
    const { result, requests } = run(attemptAt([deposit(4n), deposit(6n)]), () => [SETTLED, SETTLED], info);
    await result;
    const { at, ...origin } = JSON.parse(requests[0]?.settledBy ?? '');
    expect(origin).toEqual({ workflow: 'settle-s-0', run: 'r-1', chunk: '4-6' });
    expect(new Date(at).toISOString()).toBe(at);
  });

  test('with rows that are none of ours fails for good, with every fault named', async () => {
    const sound = attemptAt([deposit(1n), deposit(2n), deposit(3n)]);
    const rows = ['1 gift', sound.chunk.ledgerEvents.rows[1] ?? '', '3 x'];
    const chunk = { ...sound.chunk, ledgerEvents: { columns: LEDGER_COLUMNS, rows } };
    const { result, requests } = run({ ...sound, chunk }, () => []);
    const failure = await result.catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({ type: FAILURE.badChunk, nonRetryable: true });
    expect((failure as Error).message).toMatch(/chunk 1-3: .*"1 gift"; .*"3 x"/);
    expect(requests).toHaveLength(0);
  });
});

describe('the outcomes', () => {
  test('become counts, ascending remaining sequences and reasons in words', async () => {
    const events = [deposit(1n), trade(2n), deposit(10n), deposit(11n), deposit(12n)];
    const { result } = run(attemptAt(events), () => [
      SETTLED,
      { kind: 'behind', waiting: [balance, { ...balance, assetId: 1 }] },
      { kind: 'settled', duplicate: true },
      { kind: 'doubt', sinceMs: 55, balance },
      SETTLED,
    ]);
    const where = { user: '9007199254740993', asset: 2, expected: '31', found: '30' };
    expect(await result).toEqual({
      settled: 2,
      duplicates: 1,
      remaining: ['2', '11'],
      waiting: [
        { sequence: '2', event: 'trade 7', state: 'behind', ...where },
        { sequence: '11', event: 'deposit', state: 'doubt', ...where },
      ],
      doubts: { '11': 55 },
    });
  });

  test('name the first ten that wait, of however many', async () => {
    const events = Array.from({ length: 30 }, (_, at) => deposit(BigInt(at + 1)));
    const { result } = run(attemptAt(events), () =>
      events.map(() => ({ kind: 'behind', waiting: [balance] })),
    );
    const { waiting, remaining } = await result;
    expect(waiting.map(({ sequence }) => sequence)).toEqual([
      '1',
      '2',
      '3',
      '4',
      '5',
      '6',
      '7',
      '8',
      '9',
      '10',
    ]);
    expect(remaining).toHaveLength(30);
  });

  test('keep the first moment of doubt until the event is settled, whatever it is in between', async () => {
    const events = [deposit(1n), deposit(2n), deposit(3n), deposit(4n)];
    const { result } = run(attemptAt(events, { '1': 11, '2': 12, '3': 13, '4': 14 }), () => [
      SETTLED,
      { kind: 'doubt', sinceMs: 99, balance },
      { kind: 'behind', waiting: [balance] },
      { kind: 'conflict', reason: 'doubt', balance },
    ]);
    expect((await result).doubts).toEqual({ '2': 12, '3': 13, '4': 14 });
  });

  test('with conflicts report the lowest, which is kept for people first', async () => {
    const events = [deposit(1n), deposit(2n), deposit(3n)];
    const { result, quarantined } = run(attemptAt(events), () => [
      SETTLED,
      { kind: 'conflict', reason: 'version-taken', balance },
      { kind: 'conflict', reason: 'gap', balance },
    ]);
    const { conflict, remaining, waiting } = await result;
    expect(conflict).toMatchObject({ sequence: '2', event: 'deposit', reason: 'version-taken', found: '30' });
    expect(remaining).toEqual(['2', '3']);
    expect(waiting).toEqual([]);
    expect(quarantined).toEqual([['s', PARTITION, conflict, events[1]]]);
  });

  test('that are fewer than the events are a fault, not a loss', async () => {
    const { result } = run(attemptAt([deposit(1n), deposit(2n)]), () => [SETTLED]);
    await expect(result).rejects.toThrow('the settler did not answer for sequence 2');
  });

  test('of a try that is not the first say so', async () => {
    const { result } = run(attemptAt([deposit(1n)]), () => [SETTLED], { attempt: 2 });
    expect(await result).toMatchObject({ retried: true });
  });
});

describe('an attempt', () => {
  test('fails as storage-unavailable, to be tried again, when storage does', async () => {
    const { result } = run(attemptAt([deposit(1n)]), () => {
      throw new StorageUnavailableError('no quorum', new Error('2 of 3 are down'));
    });
    const failure = await result.catch((error: unknown) => error);
    expect(failure).toMatchObject({
      type: FAILURE.storageUnavailable,
      nonRetryable: false,
      message: 'no quorum',
      cause: { message: '2 of 3 are down' },
    });
  });

  test('heartbeats three times within the time after which it would count as dead', async () => {
    let beats = 0;
    const { result, environment } = run(
      attemptAt([deposit(1n)]),
      async () => {
        await delay(200);
        return [SETTLED];
      },
      { heartbeatTimeoutMs: 90 },
    );
    environment.on('heartbeat', () => (beats += 1));
    await result;
    expect(beats).toBeGreaterThanOrEqual(4);
    await delay(80);
    expect(beats).toBeLessThanOrEqual(7);
  });

  test('that is cancelled tells the settler, and ends as cancelled', async () => {
    const { result, environment } = run(attemptAt([deposit(1n)]), async ({ signal }) => {
      await delay(10_000, undefined, { signal });
      return [SETTLED];
    });
    setTimeout(() => environment.cancel(), 50);
    await expect(result).rejects.toBeInstanceOf(CancelledFailure);
  });
});
