/**
 * Events that do not fit what the real Cassandra holds: missing predecessors, versions taken, rows written by hand, and
 * batches of which only a part is to be seen.
 */
import type { Client } from 'cassandra-driver';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { INT64_MAX } from '../../src/domain/integers.ts';
import { CassandraStorage } from '../../src/ledger/storage.ts';
import { writeWatermark } from '../../src/ledger/streams.ts';
import type { SettlementBatch } from '../../src/settlement/port.ts';
import type { SettlerLimits } from '../../src/settlement/limits.ts';
import { Settler } from '../../src/settlement/settler.ts';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';
import { ledgerEvent, trade } from '../domain/events.ts';
import { Probe } from './probe.ts';
import { all, attempt, booksOf, everything, requested, untilSettled } from './support.ts';

let database: TestDatabase;
let client: Client;
beforeAll(async () => {
  database = await freshKeyspace();
  client = database.client;
});
beforeEach(async () => {
  for (const table of ['user_balances', 'settled_trades', 'ledger_events', 'ledger_entries', 'streams'])
    await client.execute(`TRUNCATE ${table}`, [], { prepare: false, readTimeout: 60_000 });
});
afterAll(() => database.drop());

function settlerWith(
  limits: Partial<SettlerLimits> = {},
  probe = new Probe(new CassandraStorage(client)),
): Settler {
  return new Settler({ storage: probe, limits });
}

/** Three deposits and a lock of one balance: versions 0 to 3. */
const [first, second, third, fourth] = [
  requested(ledgerEvent('deposit', 1n, 0n, 10n)),
  requested(ledgerEvent('deposit', 2n, 1n, 20n)),
  requested(ledgerEvent('deposit', 3n, 2n, 30n)),
  requested(ledgerEvent('lock', 4n, 3n, 5n)),
] as const;
const BALANCE = { userId: 1001n, assetId: 2 };

/** Deposits for a trade of 1001 and 1002, and the trade: sequences 1 to 5. */
const FUNDING = [
  requested(ledgerEvent('deposit', 1n, 0n, 12n)),
  requested(ledgerEvent('lock', 2n, 1n, 12n)),
  requested(ledgerEvent('deposit', 3n, 0n, 4n, { userId: 1002n, currency: 1 })),
  requested(ledgerEvent('lock', 4n, 1n, 4n, { userId: 1002n, currency: 1 })),
];
const TRADE = requested(trade(5n, { buyerQuoteVersion: 2n, sellerBaseVersion: 2n }));
const BOOKS_AFTER = { '1001/2': '0 0 3', '1001/1': '4 0 1', '1002/1': '0 0 3', '1002/2': '12 0 1' };

/** The batch that settles the trade, without sending it. */
async function batchOfTheTrade(): Promise<SettlementBatch> {
  const probe = new Probe(new CassandraStorage(client));
  const settler = settlerWith({ writeMsMax: 1, retryMsFirst: 1, retryMsMax: 1 }, probe);
  let caught: SettlementBatch | undefined;
  probe.interference = {
    async writeBatch(_carryOut, batch) {
      caught = batch;
      throw new Error('caught');
    },
  };
  await expect(attempt(settler, [TRADE])).rejects.toThrow('a batch of 1 events failed');
  if (!caught) throw new Error('no batch was sent');
  return caught;
}

const storageOf = (): CassandraStorage => new CassandraStorage(client);

describe('an event whose predecessor is missing', () => {
  test('waits, and settles as soon as its predecessor comes in another request', async () => {
    const settler = settlerWith();
    const waiting = attempt(settler, [second, third], { attemptMs: 20_000 });
    await sleep(300);
    expect(settler.held).toEqual({ events: 2, balances: 1 });
    const started = performance.now();
    expect(await attempt(settler, [first])).toEqual([{ kind: 'settled', duplicate: false }]);
    expect(new Set((await waiting).map(({ kind }) => kind))).toEqual(new Set(['settled']));
    expect(performance.now() - started).toBeLessThan(15_000);
    expect(await booksOf(client)).toEqual(new Map([['1001/2', '60 0 3']]));
  });

  test('settles when another worker brings the predecessor', async () => {
    const waiting = attempt(settlerWith(), [second], { attemptMs: 20_000 });
    await sleep(200);
    await attempt(settlerWith(), [first]);
    expect(await waiting).toEqual([{ kind: 'settled', duplicate: false }]);
  });

  test('is handed back as behind, with what was expected and found, when the attempt’s time is up', async () => {
    const settler = settlerWith();
    const started = performance.now();
    expect(await attempt(settler, [third, fourth], { attemptMs: 300 })).toEqual([
      { kind: 'behind', waiting: [{ ...BALANCE, expected: 2n, found: 0n }] },
      { kind: 'behind', waiting: [{ ...BALANCE, expected: 3n, found: 0n }] },
    ]);
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(settler.held).toEqual({ events: 0, balances: 0 });
  });

  test('conflicts as a gap where everything before it is settled and it still is not there', async () => {
    await untilSettled(settlerWith(), [first]);
    await writeWatermark(client, 'main', 1n);
    expect(await attempt(settlerWith(), [third], { attemptMs: 300 })).toMatchObject([{ kind: 'behind' }]);
    await writeWatermark(client, 'main', 2n);
    const settler = settlerWith();
    expect(await attempt(settler, [third])).toEqual([
      { kind: 'conflict', reason: 'gap', balance: { ...BALANCE, expected: 2n, found: 1n } },
    ]);
    expect(settler.held).toEqual({ events: 0, balances: 0 });
  });

  test('ends its wait at once when the attempt is cancelled, and nothing of it stays', async () => {
    const settler = settlerWith();
    const controller = new AbortController();
    const waiting = attempt(settler, [second, third], { attemptMs: 30_000, signal: controller.signal });
    setTimeout(() => controller.abort(new Error('the worker shuts down')), 150);
    const started = performance.now();
    await expect(waiting).rejects.toThrow('the worker shuts down');
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(settler.held).toEqual({ events: 0, balances: 0 });
    const late = attempt(settler, [first], { signal: controller.signal });
    await expect(late).rejects.toThrow('the worker shuts down');
  });

  test('goes on waiting for another who asks, when one is cancelled', async () => {
    const settler = settlerWith();
    const controller = new AbortController();
    const cancelled = attempt(settler, [second], { signal: controller.signal });
    const patient = attempt(settler, [second], { attemptMs: 20_000 });
    controller.abort();
    await expect(cancelled).rejects.toThrow('aborted');
    await attempt(settler, [first]);
    expect(await patient).toEqual([{ kind: 'settled', duplicate: false }]);
  });
});

describe('an event that conflicts', () => {
  test('halts where another event took its version', async () => {
    await untilSettled(settlerWith(), [first, second]);
    const other = requested(ledgerEvent('deposit', 9n, 1n, 1n));
    expect(await attempt(settlerWith(), [other])).toEqual([
      { kind: 'conflict', reason: 'version-taken', balance: { ...BALANCE, expected: 1n, found: 2n } },
    ]);
  });

  test('halts where another event that is still at hand takes its version', async () => {
    const other = requested(ledgerEvent('deposit', 9n, 0n, 1n));
    const settler = settlerWith();
    const outcomes = await attempt(settler, [first, other]);
    expect(outcomes).toMatchObject([{ kind: 'settled' }, { kind: 'conflict', reason: 'version-taken' }]);
    expect(await booksOf(client)).toEqual(new Map([['1001/2', '10 0 1']]));
  });

  test('halts where a balance stands between its two steps', async () => {
    await untilSettled(settlerWith(), FUNDING);
    const refunded = requested(trade(9n, { buyerQuoteVersion: 1n, buyerRefund: 1n, sellerBaseVersion: 2n }));
    expect(await attempt(settlerWith(), [refunded])).toEqual([
      { kind: 'conflict', reason: 'version-between', balance: { ...BALANCE, expected: 1n, found: 2n } },
    ]);
  });

  test('halts where its own row says something else, whether in the database or in memory', async () => {
    const settler = settlerWith();
    const other = requested(ledgerEvent('deposit', 1n, 0n, 11n));
    const outcomes = await Promise.all([attempt(settler, [first]), attempt(settler, [other])]);
    expect(outcomes.flat()).toMatchObject([
      { kind: 'settled' },
      { kind: 'conflict', reason: 'other-content' },
    ]);
    expect(await attempt(settler, [other])).toMatchObject([{ kind: 'conflict', reason: 'other-content' }]);
    expect(await booksOf(client)).toEqual(new Map([['1001/2', '10 0 1']]));
  });

  test('halts where its own row is damaged, and holds up no other event', async () => {
    await untilSettled(settlerWith(), [first, second]);
    await client.execute(
      `UPDATE ledger_events USING TIMESTAMP 1000 SET legs = 'gone' WHERE stream = 'main' AND bucket = 0 AND sequence = 1`,
    );
    expect(await attempt(settlerWith(), [first, second])).toEqual([
      { kind: 'conflict', reason: 'other-content', balance: { ...BALANCE, expected: 0n, found: 2n } },
      { kind: 'settled', duplicate: true },
    ]);
  });

  test('halts where the balance does not name the predecessor that the ingest knew', async () => {
    await untilSettled(settlerWith(), [first]);
    const [outcome] = await attempt(settlerWith(), [{ ...second, predecessors: [7n] }]);
    expect(outcome).toEqual({
      kind: 'conflict',
      reason: 'predecessor',
      balance: { ...BALANCE, expected: 7n, found: 1n },
    });
    expect(await attempt(settlerWith(), [{ ...second, predecessors: [1n] }])).toMatchObject([
      { kind: 'settled' },
    ]);
  });

  test('halts where somebody wrote the balance by hand', async () => {
    await untilSettled(settlerWith(), [first]);
    await client.execute('UPDATE user_balances SET available = 1000 WHERE user_id = 1001 AND asset_id = 2');
    expect(await attempt(settlerWith(), [second])).toEqual([
      { kind: 'conflict', reason: 'write-time', balance: { ...BALANCE, expected: 1n, found: 1n } },
    ]);
  });

  test('halts where a balance was made by hand, whatever version it claims', async () => {
    await client.execute('INSERT INTO user_balances (user_id, asset_id, available) VALUES (1001, 2, 500)');
    expect(await attempt(settlerWith(), [first])).toMatchObject([{ kind: 'conflict', reason: 'write-time' }]);
  });

  test('halts where a hand-made write hides what the settler itself has just written', async () => {
    const settler = settlerWith();
    // Keeps the balance in memory, so that what the settler wrote last is known there and nowhere else.
    const keeper = new AbortController();
    const kept = attempt(settler, [fourth], { attemptMs: 60_000, signal: keeper.signal });
    kept.catch(() => undefined);
    await sleep(100);
    await client.execute(
      'INSERT INTO user_balances (user_id, asset_id, available, frozen, version, last_sequence, chain) VALUES (1001, 2, 0, 0, 0, 0, 0x00)',
    );
    await untilSettled(settler, [first, second]);
    expect(await attempt(settler, [{ ...first, predecessors: [] }])).toMatchObject([
      { kind: 'conflict', reason: 'write-time' },
    ]);
    keeper.abort();
  });

  test('halts where the value would be negative, saying how much would have had to be there', async () => {
    await untilSettled(settlerWith(), [first]);
    const settler = settlerWith();
    expect(await attempt(settler, [requested(ledgerEvent('withdraw', 2n, 1n, 11n))])).toEqual([
      { kind: 'conflict', reason: 'negative-balance', balance: { ...BALANCE, expected: 11n, found: 10n } },
    ]);
    expect(settler.held).toEqual({ events: 0, balances: 0 });
  });

  test('halts where the value would leave 63 bits, also behind events not yet written', async () => {
    const much = requested(ledgerEvent('deposit', 1n, 0n, INT64_MAX));
    const settler = settlerWith();
    const outcomes = await attempt(settler, [much, { ...second, predecessors: [1n] }]);
    expect(outcomes).toEqual([
      { kind: 'settled', duplicate: false },
      {
        kind: 'conflict',
        reason: 'overflow',
        balance: { ...BALANCE, expected: INT64_MAX - 20n, found: INT64_MAX },
      },
    ]);
    expect(settler.held).toEqual({ events: 0, balances: 0 });
  });

  test('leaves what does not depend on it alone', async () => {
    const bad = requested(ledgerEvent('withdraw', 1n, 0n, 1n));
    const good = requested(ledgerEvent('deposit', 2n, 0n, 1n, { userId: 7n }));
    const behind = requested(ledgerEvent('deposit', 3n, 1n, 1n));
    expect(await attempt(settlerWith(), [bad, good, behind], { attemptMs: 300 })).toMatchObject([
      { kind: 'conflict' },
      { kind: 'settled' },
      { kind: 'behind' },
    ]);
  });
});

describe('a batch of which only part is to be seen', () => {
  beforeEach(() => untilSettled(settlerWith(), FUNDING));

  test('is made whole where only the event’s row is there', async () => {
    const batch = await batchOfTheTrade();
    await storageOf().writeBatch({ ...batch, balances: [] });
    expect(await attempt(settlerWith(), [TRADE])).toMatchObject([{ kind: 'settled' }]);
    expect(await booksOf(client)).toEqual(new Map(Object.entries(BOOKS_AFTER)));
  });

  test.each([0, 1, 2, 3])(
    'is doubted where balance %i is ahead, carries that doubt on, and settles once the rest is there',
    async (at) => {
      const batch = await batchOfTheTrade();
      await storageOf().writeBatch({ events: [], balances: [batch.balances[at]!] });
      const startedMs = Date.now();
      const [doubted] = await attempt(settlerWith(), [TRADE], { attemptMs: 500 });
      if (doubted?.kind !== 'doubt') throw new Error(`the event is ${doubted?.kind}`);
      expect(doubted.sinceMs).toBeGreaterThanOrEqual(startedMs);
      const { userId, assetId, balance } = batch.balances[at]!;
      expect(doubted.balance).toMatchObject({ userId, assetId, found: balance.version });
      // The next attempt, of a settler that knows nothing, keeps the moment that the workflow carries.
      const carried = { ...TRADE, doubtSinceMs: doubted.sinceMs };
      const [still] = await attempt(settlerWith(), [carried], { attemptMs: 500 });
      expect(still).toMatchObject({ kind: 'doubt', sinceMs: doubted.sinceMs });
      const waiting = attempt(settlerWith(), [carried], { attemptMs: 20_000 });
      await sleep(100);
      await storageOf().writeBatch(batch);
      expect(await waiting).toEqual([{ kind: 'settled', duplicate: true }]);
      expect(await booksOf(client)).toEqual(new Map(Object.entries(BOOKS_AFTER)));
      const entries = await all(client, 'SELECT sequence FROM ledger_entries');
      expect(entries.filter((row) => row['sequence'] === 5n)).toHaveLength(4);
    },
  );

  test('conflicts only by a read that began after the doubt’s limit', async () => {
    const batch = await batchOfTheTrade();
    await storageOf().writeBatch({ events: [], balances: [batch.balances[1]!] });
    const started = performance.now();
    const [outcome] = await attempt(settlerWith({ doubtMs: 700 }), [TRADE], { attemptMs: 10_000 });
    expect(outcome).toMatchObject({
      kind: 'conflict',
      reason: 'doubt',
      balance: { userId: 1001n, assetId: 1 },
    });
    expect(performance.now() - started).toBeGreaterThan(700);
  });

  test('conflicts at once where earlier attempts have doubted it for long enough', async () => {
    const batch = await batchOfTheTrade();
    await storageOf().writeBatch({ events: [], balances: [batch.balances[1]!] });
    const old = { ...TRADE, doubtSinceMs: Date.now() - 31_000 };
    expect(await attempt(settlerWith(), [old])).toMatchObject([{ kind: 'conflict', reason: 'doubt' }]);
    // A person lets it try again; by now the rest is there.
    await storageOf().writeBatch(batch);
    expect(await attempt(settlerWith(), [old])).toEqual([{ kind: 'settled', duplicate: true }]);
  });

  test('with every row but no entry gets its entries written, unless it is below the watermark', async () => {
    const batch = await batchOfTheTrade();
    await storageOf().writeBatch(batch);
    const entries = async (): Promise<number> =>
      (await all(client, 'SELECT sequence FROM ledger_entries')).filter((row) => row['sequence'] === 5n)
        .length;
    await writeWatermark(client, 'main', 5n);
    expect(await attempt(settlerWith(), [TRADE])).toEqual([{ kind: 'settled', duplicate: true }]);
    expect(await entries()).toBe(0);
    await client.execute('TRUNCATE streams', [], { prepare: false, readTimeout: 60_000 });
    await writeWatermark(client, 'main', 4n);
    expect(await attempt(settlerWith(), [TRADE])).toEqual([{ kind: 'settled', duplicate: true }]);
    expect(await entries()).toBe(4);
  });
});

describe('a write that comes late', () => {
  test('never moves a balance back, and changes nothing else', async () => {
    const storage = storageOf();
    const probe = new Probe(storage);
    const sent: SettlementBatch[] = [];
    probe.interference = {
      writeBatch(carryOut, batch) {
        sent.push(batch);
        return carryOut();
      },
    };
    const settler = settlerWith({}, probe);
    for (const one of [first, second, third, fourth]) await untilSettled(settler, [one]);
    const before = await everything(client);
    expect(sent).toHaveLength(4);
    for (const batch of sent) expect(await storage.writeBatch(batch)).toBe('written');
    expect(await everything(client)).toEqual(before);
    expect(await booksOf(client)).toEqual(new Map([['1001/2', '55 5 4']]));
  });
});
