/**
 * The settle activity with the real settler on the real Cassandra, as Temporal calls it: chunks in, outcomes out, again
 * and again, over half-visible batches and conflicts.
 */
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { Client } from 'cassandra-driver';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createSettleActivities } from '../../src/activities/settle.ts';
import { quarantineWith } from '../../src/cli/quarantine-with.ts';
import { LEDGER_COLUMNS, rowOf, TRADE_COLUMNS } from '../../src/domain/chunk.ts';
import type { SettlementEvent } from '../../src/domain/event.ts';
import { INT64_MAX } from '../../src/domain/integers.ts';
import { readQuarantined } from '../../src/ledger/quarantine.ts';
import { CassandraStorage } from '../../src/ledger/storage.ts';
import { writeWatermark } from '../../src/ledger/streams.ts';
import { Settler } from '../../src/settlement/settler.ts';
import type { SettlementBatch } from '../../src/settlement/port.ts';
import {
  SETTLE_ACTIVITY,
  type SettleAttempt,
  type SettleAttemptResult,
} from '../../src/workflows/contract.ts';
import { ledgerEvent, trade } from '../domain/events.ts';
import { Probe, type Interference } from '../settlement/probe.ts';
import { booksOf, everything, faultsOfEntries } from '../settlement/support.ts';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';
import { simulatedStream } from '../support/simulated.ts';

let database: TestDatabase;
let client: Client;
beforeAll(async () => {
  database = await freshKeyspace();
  client = database.client;
});
const TABLES = ['user_balances', 'settled_trades', 'ledger_events', 'ledger_entries', 'streams'];
beforeEach(async () => {
  for (const table of [...TABLES, 'quarantined_events'])
    await client.execute(`TRUNCATE ${table}`, [], { prepare: false, readTimeout: 60_000 });
});
afterAll(() => database.drop());

function chunkOf(events: readonly SettlementEvent[], doubts: Record<string, number> = {}): SettleAttempt {
  const rows = (trades: boolean): string[] =>
    events
      .filter(({ kind }) => (kind === 'trade') === trades)
      .map((event) => rowOf({ event, predecessors: [] }));
  return {
    attempt: 1,
    doubts,
    chunk: {
      stream: 'main',
      partition: 3,
      lease: '1',
      first: `${events[0]?.sequence}`,
      last: `${events.at(-1)?.sequence}`,
      try: 1,
      trades: { columns: TRADE_COLUMNS, rows: rows(true) },
      ledgerEvents: { columns: LEDGER_COLUMNS, rows: rows(false) },
    },
  };
}

/** One attempt on a worker of its own, which remembers nothing of former ones. */
async function attempt(
  asked: SettleAttempt,
  {
    interference = {},
    number = 1,
    doubtMs = 30_000,
    attemptMs = 10_000,
  }: { interference?: Interference; number?: number; doubtMs?: number; attemptMs?: number } = {},
): Promise<SettleAttemptResult> {
  const probe = new Probe(new CassandraStorage(client), interference);
  const settler = new Settler({ storage: probe, limits: { doubtMs, lookMsFirst: 10 } });
  const activities = createSettleActivities({
    settler,
    attemptMs,
    quarantine: quarantineWith(client),
  });
  const info = {
    attempt: number,
    workflowExecution: { workflowId: 'settle-main-3', runId: `run-${number}` },
    heartbeatTimeoutMs: 1_000,
  };
  const environment = new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });
  const result = (await environment.run(activities[SETTLE_ACTIVITY], asked)) as SettleAttemptResult;
  expect(probe.faults).toEqual([]);
  expect(settler.held).toEqual({ events: 0, balances: 0 });
  return result;
}

const FUNDING = [
  ledgerEvent('deposit', 1n, 0n, 12n),
  ledgerEvent('lock', 2n, 1n, 12n),
  ledgerEvent('deposit', 3n, 0n, 4n, { userId: 1002n, currency: 1 }),
  ledgerEvent('lock', 4n, 1n, 4n, { userId: 1002n, currency: 1 }),
];
const TRADE = trade(5n, { buyerQuoteVersion: 2n, sellerBaseVersion: 2n });

describe('a chunk', () => {
  test('is settled by one attempt, each row leading back to the run, and again by the next without a trace', async () => {
    const { events, books } = simulatedStream({});
    const asked = chunkOf(events.map(({ event }) => event));
    expect(await attempt(asked)).toEqual({
      settled: events.length,
      duplicates: 0,
      remaining: [],
      waiting: [],
      doubts: {},
    });
    expect(await booksOf(client)).toEqual(books);
    const before = await everything(client);
    expect(await attempt(asked, { number: 2 })).toEqual({
      settled: 0,
      duplicates: events.length,
      remaining: [],
      waiting: [],
      doubts: {},
      retried: true,
    });
    expect(await everything(client)).toEqual(before);
    const origins = (await client.execute('SELECT settled_by FROM settled_trades')).rows.map(
      (row) => JSON.parse(row['settled_by'] as string) as Record<string, string>,
    );
    expect(new Set(origins.map(({ workflow, run, chunk }) => `${workflow} ${run} ${chunk}`))).toEqual(
      new Set([`settle-main-3 run-1 1-${events.length}`]),
    );
  });

  test('whose attempt ended in the middle, deed done and unheard, is finished by the next', async () => {
    const { events, books } = simulatedStream({ seed: 2 });
    const asked = chunkOf(events.map(({ event }) => event));
    let batches = 0;
    const dying: Interference = {
      async writeBatch(carryOut) {
        const ending = await carryOut();
        batches += 1;
        if (batches > 1) throw new Error('the worker was killed');
        return ending;
      },
      async writeEntries() {
        throw new Error('the worker was killed');
      },
    };
    await expect(attempt(asked, { interference: dying })).rejects.toMatchObject({
      type: 'storage-unavailable',
    });
    const result = await attempt(asked, { number: 2 });
    expect(result.remaining).toEqual([]);
    expect(result.duplicates).toBeGreaterThan(0);
    expect(await booksOf(client)).toEqual(books);
    expect(await faultsOfEntries(client)).toEqual([]);
  });

  test('of which a predecessor is missing comes back with what was expected and found', async () => {
    await attempt(chunkOf(FUNDING.slice(0, 3)));
    expect(await attempt(chunkOf([TRADE]), { attemptMs: 300 })).toEqual({
      settled: 0,
      duplicates: 0,
      remaining: ['5'],
      waiting: [
        {
          sequence: '5',
          event: 'trade 7005',
          state: 'behind',
          user: '1002',
          asset: 1,
          expected: '2',
          found: '1',
        },
      ],
      doubts: {},
    });
  });
});

describe('a batch of which only part is visible', () => {
  /** Writes a part of the trade's batch, and returns the whole. */
  async function writePart(part: (batch: SettlementBatch) => SettlementBatch): Promise<SettlementBatch> {
    await attempt(chunkOf(FUNDING));
    let whole: SettlementBatch | undefined;
    const catching: Interference = {
      async writeBatch(_carryOut, batch) {
        whole = batch;
        throw new Error('caught');
      },
    };
    await expect(attempt(chunkOf([TRADE]), { interference: catching })).rejects.toMatchObject({
      type: 'storage-unavailable',
    });
    await new CassandraStorage(client).writeBatch(part(whole!));
    return whole!;
  }

  test('is in doubt over attempts, with its first moment, and settled once it is whole', async () => {
    const batch = await writePart(({ balances }) => ({ events: [], balances: balances.slice(2) }));
    const first = await attempt(chunkOf([TRADE]), { attemptMs: 500 });
    expect(first).toMatchObject({
      settled: 0,
      remaining: ['5'],
      waiting: [{ sequence: '5', state: 'doubt' }],
    });
    const second = await attempt(chunkOf([TRADE], first.doubts), { number: 2, attemptMs: 300 });
    expect(second.doubts).toEqual(first.doubts);
    await new CassandraStorage(client).writeBatch(batch);
    expect(await attempt(chunkOf([TRADE], second.doubts), { number: 3 })).toMatchObject({
      duplicates: 1,
      remaining: [],
      doubts: {},
    });
    expect(await faultsOfEntries(client)).toEqual([]);
    expect(await readQuarantined(client, 'main')).toEqual([]);
  });

  test('beyond the doubt’s limit is kept for people, and still settles when it turns out whole', async () => {
    const batch = await writePart(({ events, balances }) => ({ events, balances: balances.slice(0, 1) }));
    const { doubts } = await attempt(chunkOf([TRADE]), { attemptMs: 500 });
    const halted = await attempt(chunkOf([TRADE], doubts), { doubtMs: 100 });
    expect(halted).toMatchObject({
      remaining: ['5'],
      conflict: { sequence: '5', reason: 'doubt', user: '1001', asset: 2, expected: '2', found: '3' },
    });
    expect(await readQuarantined(client, 'main')).toMatchObject([
      { sequence: 5n, kind: 'trade', id: 7005n, reason: 'doubt', userId: 1001n, expected: 2n, found: 3n },
    ]);
    await new CassandraStorage(client).writeBatch(batch);
    expect(await attempt(chunkOf([TRADE], doubts))).toMatchObject({ duplicates: 1, remaining: [] });
  });
});

describe('a conflict', () => {
  test('is quarantined with what was expected and found, and the event as its row', async () => {
    await attempt(chunkOf(FUNDING));
    const taken = ledgerEvent('withdraw', 9n, 1n, 1n);
    const result = await attempt(chunkOf([taken]));
    expect(result.conflict).toEqual({
      sequence: '9',
      event: 'withdraw',
      reason: 'version-taken',
      user: '1001',
      asset: 2,
      expected: '1',
      found: '2',
    });
    expect(await readQuarantined(client, 'main')).toEqual([
      {
        stream: 'main',
        sequence: 9n,
        partition: 3,
        kind: 'withdraw',
        id: 9n,
        reason: 'version-taken',
        userId: 1001n,
        assetId: 2,
        expected: 1n,
        found: 2n,
        foundAtMs: expect.any(Number),
        row: rowOf({ event: taken, predecessors: [] }),
      },
    ]);
  });

  test('of a value beyond 63 bits can be quarantined like any other', async () => {
    const events = [ledgerEvent('deposit', 1n, 0n, INT64_MAX), ledgerEvent('deposit', 2n, 1n, INT64_MAX)];
    expect(await attempt(chunkOf(events))).toMatchObject({
      settled: 1,
      remaining: ['2'],
      conflict: { reason: 'overflow', expected: '0', found: `${INT64_MAX}` },
    });
    expect(await readQuarantined(client, 'main')).toMatchObject([
      { reason: 'overflow', expected: 0n, found: INT64_MAX },
    ]);
  });

  test('of a gap is found by the watermark, which says that nothing earlier can come', async () => {
    await writeWatermark(client, 'main', 4n);
    expect((await attempt(chunkOf([TRADE]))).conflict).toMatchObject({
      reason: 'gap',
      user: '1001',
      asset: 2,
      expected: '2',
      found: '0',
    });
  });
});
