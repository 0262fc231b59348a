/**
 * Whole simulated streams through the settler into the real Cassandra: in chunks and partitions of any size, side by
 * side, on one worker and on two, and again.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CassandraStorage } from '../../src/ledger/storage.ts';
import { writeWatermark } from '../../src/ledger/streams.ts';
import { SETTLER_LIMITS, type SettlerLimits } from '../../src/settlement/limits.ts';
import { Settler } from '../../src/settlement/settler.ts';
import type { RequestedEvent } from '../../src/settlement/settle-request.ts';
import type { SimulationOptions } from '../../src/simulator/options.ts';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';
import { untouched } from '../domain/events.ts';
import { byPartition, pieces, seeded, simulatedStream } from '../support/simulated.ts';
import { Probe } from './probe.ts';
import { attempt, booksOf, everything, faultsOfEntries, untilSettled } from './support.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshKeyspace();
});
afterAll(() => database.drop());

/** Empties the tables; each test settles a stream of its own from nothing. */
async function empty(): Promise<void> {
  for (const table of ['user_balances', 'settled_trades', 'ledger_events', 'ledger_entries', 'streams'])
    await database.client.execute(`TRUNCATE ${table}`, [], { prepare: false, readTimeout: 60_000 });
}

function probed(limits: Partial<SettlerLimits> = {}): { probe: Probe; settler: Settler } {
  const probe = new Probe(
    new CassandraStorage(database.client),
    {},
    limits.groupBytesMax ?? SETTLER_LIMITS.groupBytesMax,
  );
  return { probe, settler: new Settler({ storage: probe, limits }) };
}

/** Settles each lane's chunks one after the other, the lanes side by side. */
async function settleLanes(
  lanes: readonly { settler: Settler; events: readonly RequestedEvent[] }[],
  chunkMax: number,
  seed: number,
  attemptMs = 2_000,
): Promise<void> {
  const below = seeded(seed);
  await Promise.all(
    lanes.map(async ({ settler, events }) => {
      for (const chunk of pieces(events, chunkMax, below)) await untilSettled(settler, chunk, { attemptMs });
    }),
  );
}

const RANDOM = { scenario: 'random', users: 40, trades: 400 } as const;

describe('a stream', () => {
  test.each<[string, SimulationOptions, number, number]>([
    ['in one chunk', RANDOM, 1, 100_000],
    ['in small chunks of many partitions', { ...RANDOM, seed: 2 }, 16, 20],
    ['in single events', { ...RANDOM, users: 10, trades: 60, seed: 3 }, 3, 1],
    ['with a hot account', { ...RANDOM, hot: true, seed: 4 }, 8, 60],
    ['of one user who trades with himself', { ...RANDOM, users: 1, trades: 150, seed: 5 }, 1, 50],
  ])('settles %s into the oracle’s balances', async (_how, options, partitions, chunkMax) => {
    await empty();
    const { events, books } = simulatedStream(options);
    const { probe, settler } = probed();
    const lanes = byPartition(events, partitions).map((lane) => ({ settler, events: lane }));
    await settleLanes(lanes, chunkMax, options.seed ?? 1);
    expect(await booksOf(database.client)).toEqual(books);
    expect(await faultsOfEntries(database.client)).toEqual([]);
    expect(probe.faults).toEqual([]);
    expect(settler.held).toEqual({ events: 0, balances: 0 });
    expect(settler.counts.events).toBe(events.length);
  });

  test('is grouped into batches within their bounds, several at once, each balance once', async () => {
    await empty();
    const { events, books } = simulatedStream({ ...RANDOM, seed: 6 });
    const limits = { groupBytesMax: 8 * 1024, groupEventsMax: 7 };
    const { probe, settler } = probed(limits);
    await untilSettled(settler, events);
    expect(probe.faults).toEqual([]);
    expect(probe.batches.some(({ events: count }) => count > 1)).toBe(true);
    expect(Math.max(...probe.batches.map(({ events: count }) => count))).toBeLessThanOrEqual(7);
    expect(probe.batchesAtOnceMax).toBeGreaterThan(1);
    expect(probe.batchesAtOnceMax).toBeLessThanOrEqual(16);
    expect(await booksOf(database.client)).toEqual(books);
  });

  test.each([1, 5, 300])('of %i users is accepted in batches as large as the limits allow', async (users) => {
    await empty();
    const { events } = simulatedStream({ ...RANDOM, users, firstUser: users === 1 ? 2n ** 62n : 1n });
    const { probe, settler } = probed({ groupBytesMax: 50 * 1024 - 1, groupEventsMax: 1_000 });
    for (const settledBy of ['{}', JSON.stringify({ workflow: 'ü'.repeat(100) })])
      await untilSettled(settler, settledBy === '{}' ? events.slice(0, 300) : events.slice(300), {
        settledBy,
      });
    expect(Math.max(...probe.batches.map(({ bytes }) => bytes))).toBeGreaterThan(45 * 1024);
    expect(probe.faults).toEqual([]);
  });

  test('that is sent again is found settled, and leaves every byte and write time as it was', async () => {
    await empty();
    const { events } = simulatedStream({ ...RANDOM, trades: 200, seed: 7 });
    const first = probed();
    await untilSettled(first.settler, events);
    const before = await everything(database.client);
    const again = probed();
    const outcomes = await attempt(again.settler, events, { settledBy: '{"test":"again"}' });
    expect(new Set(outcomes.map((one) => JSON.stringify(one)))).toEqual(
      new Set(['{"kind":"settled","duplicate":true}']),
    );
    expect(again.probe.batches).toEqual([]);
    // Above the watermark entries are written again, all of them.
    expect(again.probe.entriesWritten).toHaveLength(first.probe.entriesWritten.length);
    expect(await everything(database.client)).toEqual(before);
    expect(again.settler.held).toEqual({ events: 0, balances: 0 });
    // Each event names its predecessor: looking at them one after the other would take hundreds of rounds.
    expect(again.probe.reads.watermark).toBeLessThan(20);
  });

  test('that is sent again below the watermark is found settled without writing anything', async () => {
    const { events } = simulatedStream({ ...RANDOM, trades: 200, seed: 7 });
    await writeWatermark(database.client, 'main', BigInt(events.length - 10));
    const { probe, settler } = probed();
    await untilSettled(settler, events);
    const sequences = new Set(probe.entriesWritten.map(({ sequence }) => sequence));
    const last = events.slice(-10).map(({ event }) => event.sequence);
    expect(sequences).toEqual(new Set(last));
  });

  test('that is settled anew over the old rows moves nothing: writes carry their versions’ times', async () => {
    // Without a read of what is there, as a worker that had stood still for long would: every batch once more, late.
    const { events, books } = simulatedStream({ ...RANDOM, trades: 200, seed: 7 });
    const before = await everything(database.client, ['settled_by']);
    const stale = new Settler({ storage: withoutMemory(probed().probe) });
    await untilSettled(stale, events);
    expect(stale.counts.events).toBe(events.length);
    expect(await everything(database.client, ['settled_by'])).toEqual(before);
    expect(await booksOf(database.client)).toEqual(books);
  });

  test('asked for by several at once is written once, and all of them are told', async () => {
    await empty();
    const { events, books } = simulatedStream({ ...RANDOM, trades: 100, seed: 8 });
    const { probe, settler } = probed();
    const below = seeded(8);
    await Promise.all(Array.from({ length: 5 }, () => settleLanes([{ settler, events }], 200, below(1_000))));
    expect(probe.faults).toEqual([]);
    expect(await booksOf(database.client)).toEqual(books);
    expect(settler.held).toEqual({ events: 0, balances: 0 });
  });
});

describe('two workers on one database', () => {
  /** Six partitions, which the workers take in turn. */
  const lanesOf = (workers: readonly { settler: Settler }[], events: readonly RequestedEvent[]) =>
    byPartition(events, 6).map((lane, at) => ({
      settler: workers[at % workers.length]!.settler,
      events: lane,
    }));

  test.each([9, 10])(
    'settle partitions that trade with each other, without a lock (seed %i)',
    async (seed) => {
      await empty();
      const { events, books } = simulatedStream({ ...RANDOM, users: 20, trades: 150, seed });
      const workers = [probed(), probed()];
      await settleLanes(lanesOf(workers, events), 40, seed, 300);
      expect(await booksOf(database.client)).toEqual(books);
      expect(await faultsOfEntries(database.client)).toEqual([]);
      for (const { probe, settler } of workers) {
        expect(probe.faults).toEqual([]);
        expect(settler.held).toEqual({ events: 0, balances: 0 });
      }
    },
  );

  test('go on when the other has brought a balance on, long before the next look', async () => {
    await empty();
    const { events, books } = simulatedStream({ ...RANDOM, users: 20, trades: 150, seed: 12 });
    const limits = { lookMsFirst: 600_000, lookMsMax: 600_000 };
    const workers = [probed(limits), probed(limits)];
    await settleLanes(lanesOf(workers, events), 40, 12, 300_000);
    expect(await booksOf(database.client)).toEqual(books);
  });

  test('settle the same stream at the same time, and one result stands', async () => {
    await empty();
    const { events, books } = simulatedStream({ ...RANDOM, users: 20, trades: 150, seed: 11 });
    const workers = [probed(), probed()];
    await Promise.all(
      workers.map(({ settler }, at) =>
        settleLanes(
          byPartition(events, 3).map((lane) => ({ settler, events: lane })),
          50,
          at,
          300,
        ),
      ),
    );
    expect(await booksOf(database.client)).toEqual(books);
    expect(await faultsOfEntries(database.client)).toEqual([]);
  });
});

/** Makes a storage read an empty database, and write the real one. */
function withoutMemory(probe: Probe): Probe {
  probe.readBalances = (keys) =>
    Promise.resolve(keys.map((key) => ({ ...key, ...untouched(key), writeTimeNormal: true })));
  return probe;
}
