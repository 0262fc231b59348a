/**
 * The settler before a storage that times out, stalls and fails: whatever it does, the real Cassandra ends at the
 * oracle's balances, and nothing stays in the settler's memory.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CassandraStorage } from '../../src/ledger/storage.ts';
import { SETTLER_LIMITS, type SettlerLimits } from '../../src/settlement/limits.ts';
import type { SettlementBatch, WriteEnding } from '../../src/settlement/port.ts';
import { StorageUnavailableError } from '../../src/settlement/settle-request.ts';
import { Settler } from '../../src/settlement/settler.ts';
import { ledgerEvent } from '../domain/events.ts';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';
import { byPartition, pieces, seeded, simulatedStream } from '../support/simulated.ts';
import { Probe, type Interference } from './probe.ts';
import { attempt, booksOf, everything, faultsOfEntries, requested, untilSettled } from './support.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshKeyspace();
});
beforeEach(async () => {
  for (const table of ['user_balances', 'settled_trades', 'ledger_events', 'ledger_entries', 'streams'])
    await database.client.execute(`TRUNCATE ${table}`, [], { prepare: false, readTimeout: 60_000 });
});
afterAll(() => database.drop());

const QUICK: Partial<SettlerLimits> = {
  retryMsFirst: 2,
  retryMsMax: 10,
  groupEventsMax: 8,
  lookMsFirst: 10,
  lookMsMax: 50,
};

function broken(
  interference: Interference,
  limits: Partial<SettlerLimits> = {},
): { probe: Probe; settler: Settler } {
  const probe = new Probe(new CassandraStorage(database.client), interference);
  return { probe, settler: new Settler({ storage: probe, limits: { ...QUICK, ...limits } }) };
}

const STREAM = { scenario: 'random', users: 15, trades: 80 } as const;

/** Settles a stream in lanes; every attempt that fails for the storage is made again. */
async function settle(settler: Settler, seed: number, retries: number): Promise<void> {
  const { events, books } = simulatedStream({ ...STREAM, seed });
  const below = seeded(seed);
  await Promise.all(
    byPartition(events, 4).map(async (lane) => {
      for (const chunk of pieces(lane, 40, below))
        await untilSettled(settler, chunk, { attemptMs: 1_000, retries });
    }),
  );
  expect(await booksOf(database.client)).toEqual(books);
  expect(await faultsOfEntries(database.client)).toEqual([]);
  expect(settler.held).toEqual({ events: 0, balances: 0 });
}

describe('writes that time out', () => {
  test.each([21, 22])('are sent again, unchanged, whether they took place or not (seed %i)', async (seed) => {
    const below = seeded(seed);
    const late: Promise<unknown>[] = [];
    const timingOut = async (carryOut: () => Promise<WriteEnding>): Promise<WriteEnding> => {
      switch (below(6)) {
        case 0:
          return 'pending';
        case 1:
          await carryOut();
          return 'pending';
        case 2:
          // It arrives long after it was given up.
          late.push(sleep(20 + below(200)).then(carryOut));
          return 'pending';
        default:
          return carryOut();
      }
    };
    const { probe, settler } = broken({ writeBatch: timingOut, writeEntries: timingOut });
    await settle(settler, seed, 0);
    expect(probe.faults).toEqual([]);
    const before = await everything(database.client);
    await Promise.all(late);
    expect(await everything(database.client)).toEqual(before);
  });

  test('are the same batch each time', async () => {
    const sent: SettlementBatch[] = [];
    const { settler } = broken({
      async writeBatch(carryOut, batch) {
        sent.push(batch);
        return sent.length < 4 ? 'pending' : carryOut();
      },
    });
    await attempt(settler, [requested(ledgerEvent('deposit', 1n, 0n, 5n))]);
    expect(sent).toHaveLength(4);
    expect(new Set(sent).size).toBe(1);
  });

  test('hold back what builds on them, and nothing else', async () => {
    const order: string[] = [];
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const { probe, settler } = broken({
      async writeBatch(carryOut, batch) {
        const names = batch.balances.map(({ userId }) => `${userId}`).join();
        if (names === '1' && order.length === 0) {
          order.push('1 is under way');
          await released;
        }
        const ending = await carryOut();
        order.push(`${names} is there`);
        return ending;
      },
    });
    const deposit = (sequence: bigint, version: bigint, userId: bigint) =>
      requested(ledgerEvent('deposit', sequence, version, 5n, { userId }));
    const stuck = attempt(settler, [deposit(1n, 0n, 1n)]);
    await sleep(100);
    const dependent = attempt(settler, [deposit(2n, 1n, 1n)]);
    await attempt(settler, [deposit(3n, 0n, 3n)]);
    release();
    expect((await Promise.all([stuck, dependent])).flat().map(({ kind }) => kind)).toEqual([
      'settled',
      'settled',
    ]);
    expect(order).toEqual(['1 is under way', '3 is there', '1 is there', '1 is there']);
    expect(probe.faults).toEqual([]);
  });

  test('for longer than the bound fail the attempt, and leave nothing in memory', async () => {
    const { settler } = broken({ writeBatch: async () => 'pending' }, { writeMsMax: 100 });
    const failure = attempt(settler, [requested(ledgerEvent('deposit', 1n, 0n, 5n))]);
    await expect(failure).rejects.toBeInstanceOf(StorageUnavailableError);
    expect(settler.held).toEqual({ events: 0, balances: 0 });
  });
});

describe('a storage that fails', () => {
  test.each([31, 32])(
    'at random, before or after the deed, still ends at the oracle (seed %i)',
    async (seed) => {
      const below = seeded(seed);
      const failing = async (carryOut: () => Promise<WriteEnding>): Promise<WriteEnding> => {
        const what = below(30);
        if (what === 0) throw new Error('no quorum');
        await sleep(below(8));
        if (what === 1) return 'pending';
        const ending = await carryOut();
        if (what === 2) throw new Error('the connection was lost');
        return ending;
      };
      const { probe, settler } = broken({
        writeBatch: failing,
        writeEntries: failing,
        async read() {
          if (below(80) === 0) throw new Error('a read failed');
        },
      });
      await settle(settler, seed, 1_000);
      expect(probe.faults).toEqual([]);
    },
  );

  test('at a batch fails all that builds on it, with one named error, and forgets it', async () => {
    let failures = 1;
    const { probe, settler } = broken({
      async writeBatch(carryOut) {
        if (failures > 0) {
          failures -= 1;
          await sleep(50);
          throw new Error('no quorum');
        }
        return carryOut();
      },
    });
    const { events, books } = simulatedStream({ ...STREAM, users: 1, trades: 40 });
    const lost = attempt(settler, events);
    await expect(lost).rejects.toMatchObject({
      name: 'StorageUnavailableError',
      cause: { message: 'no quorum' },
    });
    expect(settler.held).toEqual({ events: 0, balances: 0 });
    await untilSettled(settler, events);
    expect(await booksOf(database.client)).toEqual(books);
    expect(probe.faults).toEqual([]);
  });

  test('at one batch leaves another under way alone, and what comes then waits for that', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let failed = false;
    const { probe, settler } = broken({
      async writeBatch(carryOut, batch) {
        if (batch.balances.some(({ userId }) => userId === 1n) && !failed) {
          failed = true;
          await sleep(30);
          throw new Error('no quorum');
        }
        const ending = await carryOut();
        // Its rows can be seen, but it is not acknowledged yet.
        if (batch.events.length === 1) await released;
        return ending;
      },
    });
    const deposit = (sequence: bigint, version: bigint, userId: bigint) =>
      requested(ledgerEvent('deposit', sequence, version, 5n, { userId }));
    const underWay = attempt(settler, [deposit(2n, 0n, 2n)]);
    await sleep(50);
    await expect(attempt(settler, [deposit(1n, 0n, 1n)])).rejects.toBeInstanceOf(StorageUnavailableError);
    const next = attempt(settler, [deposit(3n, 1n, 2n), deposit(4n, 2n, 2n)]);
    await sleep(300);
    release();
    expect((await Promise.all([underWay, next])).flat().map(({ kind }) => kind)).toEqual(
      Array.from({ length: 3 }, () => 'settled'),
    );
    expect(probe.faults).toEqual([]);
    expect(settler.held).toEqual({ events: 0, balances: 0 });
  });

  test('at the entries fails the attempt, and the next one writes them', async () => {
    let failures = 1;
    const { probe, settler } = broken({
      async writeEntries(carryOut) {
        if (failures > 0) {
          failures -= 1;
          throw new Error('no quorum');
        }
        return carryOut();
      },
    });
    const deposit = requested(ledgerEvent('deposit', 1n, 0n, 5n));
    await expect(attempt(settler, [deposit])).rejects.toThrow('writing the ledger entries of main/1 failed');
    expect(settler.held).toEqual({ events: 0, balances: 0 });
    expect(await attempt(settler, [deposit])).toEqual([{ kind: 'settled', duplicate: true }]);
    expect(probe.entriesWritten).toHaveLength(1);
  });

  test.each(['balances', 'watermark', 'rows'] as const)(
    'at reading %s fails who needs it, and forgets',
    async (what) => {
      await untilSettled(broken({}).settler, [requested(ledgerEvent('deposit', 1n, 0n, 5n))]);
      const { settler } = broken({
        async read(which) {
          if (which === what) throw new Error('no quorum');
        },
      });
      const again = attempt(settler, [requested(ledgerEvent('deposit', 1n, 0n, 5n))]);
      await expect(again).rejects.toMatchObject({
        name: 'StorageUnavailableError',
        cause: { message: 'no quorum' },
      });
      expect(settler.held).toEqual({ events: 0, balances: 0 });
    },
  );

  test('is never sent a balance that was calculated from what was forgotten', async () => {
    // The deposit's batch fails after the deed; a conflicting event must be judged by what was written.
    let failures = 1;
    const { settler } = broken({
      async writeBatch(carryOut) {
        const ending = await carryOut();
        if (failures > 0) {
          failures -= 1;
          throw new Error('the connection was lost');
        }
        return ending;
      },
    });
    const deposit = requested(ledgerEvent('deposit', 1n, 0n, 5n));
    await expect(attempt(settler, [deposit])).rejects.toThrow('a batch of 1 events failed');
    const other = requested(ledgerEvent('deposit', 2n, 0n, 6n));
    expect(await attempt(settler, [other])).toMatchObject([{ kind: 'conflict', reason: 'version-taken' }]);
    expect(await attempt(settler, [deposit])).toEqual([{ kind: 'settled', duplicate: true }]);
  });
});

describe('limits that cannot work', () => {
  test('are refused, all faults at once', () => {
    const storage = new CassandraStorage(database.client);
    const limits = { groupBytesMax: 64 * 1024, lookMsFirst: 2_000, retryMsFirst: 0, doubtMs: Number.NaN };
    expect(() => new Settler({ storage, limits })).toThrow(
      /retryMsFirst must be above 0.*groupBytesMax 65536.*lookMsFirst must not exceed/,
    );
    expect(() => new Settler({ storage, limits: SETTLER_LIMITS })).not.toThrow();
  });
});
