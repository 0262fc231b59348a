/**
 * Rows of events and their `legs` cell: whatever an engine may state within 63 bits comes back from the real Cassandra
 * as it was, and what does not fit its event is refused by name.
 */
import type { Client } from 'cassandra-driver';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Balance } from '../../src/domain/balance.ts';
import { calculate, type CalculatedLeg } from '../../src/domain/calculate.ts';
import { contentDigest } from '../../src/domain/digest.ts';
import { entriesOf } from '../../src/domain/entries.ts';
import type { SettlementEvent } from '../../src/domain/event.ts';
import { INT64_MAX } from '../../src/domain/integers.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import { readEventRow, readTrades } from '../../src/ledger/event-lookup.ts';
import { tradeDate } from '../../src/ledger/event-rows.ts';
import { ENTRY_COLUMN_LIST, entryOf } from '../../src/ledger/entry-rows.ts';
import { decodeLegs, encodeLegs } from '../../src/ledger/legs-cell.ts';
import { CassandraStorage } from '../../src/ledger/storage.ts';
import { anyEvent, ledgerEvent, trade, untouched } from '../domain/events.ts';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let client: Client;
beforeAll(async () => {
  database = await freshKeyspace();
  client = database.client;
});
afterAll(() => database.drop());

/** Any event with legs calculated upon balances that let it through: as much frozen and available as fits. */
const anySettled = fc
  .tuple(anyEvent, fc.bigInt(0n, INT64_MAX), fc.bigInt(0n, INT64_MAX))
  .map(([event, available, frozen]) => ({ event, ...settled(event, available, frozen) }))
  .filter((one) => one.legs.length > 0);

function settled(
  event: SettlementEvent,
  available: bigint,
  frozen: bigint,
): { legs: readonly CalculatedLeg[]; balances: readonly Balance[] } {
  const legs = legsOf(event);
  const touches = touchesOf(legs);
  const at = (rest: Partial<Balance>): readonly Balance[] =>
    touches.map((touch) => ({ ...untouched(touch), version: touch.expectedVersion, ...rest }));
  for (const before of [at({ available, frozen }), at({ frozen: INT64_MAX }), at({ available: INT64_MAX })]) {
    const result = calculate(event, contentDigest(event), legs, touches, before);
    if (result.kind === 'calculated') return result;
  }
  return { legs: [], balances: [] };
}

describe('the legs cell', () => {
  test('reads back as the legs that it was made of', () => {
    fc.assert(
      fc.property(anySettled, ({ event, legs }) => {
        expect(decodeLegs(encodeLegs(legs), event)).toEqual(legs);
      }),
      { numRuns: 300 },
    );
  });

  test('is refused, naming the event, where it does not fit', () => {
    const event = trade(9n, { buyerRefund: 1n });
    const { legs } = settled(event, 0n, 100n);
    const cell = encodeLegs(legs);
    const refused = (changed: string): void => {
      expect(changed).not.toBe(cell);
      expect(() => decodeLegs(changed, event)).toThrow(/legs of trade with sequence 9 do not fit the event/);
    };
    refused(encodeLegs(legs.slice(1)));
    const [version, before, spend, refund] = (JSON.parse(cell) as unknown[][])[0]!;
    const withFirst = (...leg: unknown[]): string =>
      JSON.stringify([leg, ...(JSON.parse(cell) as unknown[]).slice(1)]);
    refused(withFirst(version, before, spend));
    refused(withFirst(Number(version), before, spend, refund));
    refused(withFirst(version, String(before).slice(1), spend, refund));
    refused(withFirst(version, before, spend, null));
    refused(withFirst(version, before, spend, (refund as unknown[]).slice(1)));
    refused(encodeLegs([{ ...legs[0]!, steps: legs[0]!.steps.slice(1) }, ...legs.slice(1)]));
    refused('{}');
  });
});

describe('an event’s row', () => {
  test('reads back from Cassandra as the event, its legs, its entries and its run', async () => {
    const storage = new CassandraStorage(client);
    const settledBy = JSON.stringify({ workflow: 'settle-main-3', run: 'ü' });
    let streams = 0;
    await fc.assert(
      fc.asyncProperty(anySettled, async ({ event, legs, balances }) => {
        const digest = contentDigest(event);
        streams += 1;
        const stream = `s${streams}`;
        const encoded = storage.encodeEvent(stream, { event, digest }, legs, settledBy);
        const touches = touchesOf(legsOf(event));
        const writes = touches.map((touch, at) => ({
          userId: touch.userId,
          assetId: touch.assetId,
          balance: balances[at]!,
          timeMs: event.timeMs,
        }));
        expect(await storage.writeBatch({ events: [encoded], balances: writes })).toBe('written');
        const id = event.kind === 'trade' ? event.tradeId : event.sequence;
        const line = { sequence: event.sequence, kind: event.kind, id, digest, lease: 1n };
        const row = await readEventRow(client, stream, line);
        expect(row).toEqual({ stream, event, digest, legs, dismissed: false, settledBy });
        const [stored] = await storage.readEventRows(stream, [{ event, digest }]);
        expect(stored).toEqual({ digest, entries: entriesOf(stream, event, legs) });
      }),
      { numRuns: 60 },
    );
  });

  test('of a trade id used twice overwrites nothing, and both are found', async () => {
    const storage = new CassandraStorage(client);
    const twice = [trade(1n, { tradeId: 77n }), trade(2n, { tradeId: 77n })];
    for (const event of twice) {
      const { legs } = settled(event, 0n, 100n);
      const encoded = storage.encodeEvent('main', { event, digest: contentDigest(event) }, legs, '{}');
      await storage.writeBatch({ events: [encoded], balances: [] });
    }
    expect((await readTrades(client, 77n)).map(({ event }) => event)).toEqual(twice);
  });

  test('that is missing reads as such', async () => {
    const storage = new CassandraStorage(client);
    const missing = [trade(50n), ledgerEvent('lock', 51n, 0n, 1n)].map((event) => ({
      event,
      digest: contentDigest(event),
    }));
    expect(await storage.readEventRows('nowhere', missing)).toEqual([undefined, undefined]);
  });

  test('dates a trade by the day in UTC', () => {
    expect([0, Date.UTC(2024, 1, 29, 23, 59), Date.UTC(9999, 11, 31)].map(tradeDate)).toEqual([
      19_700_101, 20_240_229, 99_991_231,
    ]);
  });
});

describe('entries and balances', () => {
  test('read back from Cassandra as they were written, at their versions’ times', async () => {
    const storage = new CassandraStorage(client);
    const written = new Set<string>();
    await fc.assert(
      fc.asyncProperty(anySettled, async ({ event, legs }) => {
        for (const entry of entriesOf('main', event, legs)) {
          // Small ids come again and again, and of two contents of one version Cassandra keeps whichever is larger (I3).
          const name = `${entry.userId}/${entry.assetId}/${entry.version}`;
          if (written.has(name)) continue;
          written.add(name);
          expect(await storage.writeEntries([entry])).toBe('written');
          const result = await client.execute(
            `SELECT ${ENTRY_COLUMN_LIST}, WRITETIME(chain) AS written FROM ledger_entries
             WHERE user_id = ? AND asset_id = ? AND bucket = ? AND version = ?`,
            [entry.userId, entry.assetId, entry.version / 10_000n, entry.version],
            { prepare: true },
          );
          expect(entryOf(result.first())).toEqual(entry);
          expect(result.first()['written']).toBe(entry.version);
        }
      }),
      { numRuns: 20 },
    );
  });

  test('are read many at once in the order of the keys, missing ones as untouched', async () => {
    const storage = new CassandraStorage(client, { readsInFlightMax: 7 });
    const keys = Array.from({ length: 300 }, (_, at) => ({
      userId: BigInt(900_000 + (at % 97)),
      assetId: at % 3,
    }));
    const written = keys.filter((_, at) => at % 2 === 0);
    const balanceOf = (key: { userId: bigint; assetId: number }): Balance => ({
      ...untouched(key),
      available: key.userId,
      version: BigInt(key.assetId + 1),
      lastSequence: 5n,
    });
    for (const key of written)
      await storage.writeBatch({ events: [], balances: [{ ...key, balance: balanceOf(key), timeMs: 1 }] });
    const there = new Set(written.map(({ userId, assetId }) => `${userId}/${assetId}`));
    const read = await storage.readBalances(keys);
    expect(read).toEqual(
      keys.map((key) => ({
        ...key,
        ...(there.has(`${key.userId}/${key.assetId}`) ? balanceOf(key) : untouched(key)),
        writeTimeNormal: true,
      })),
    );
  });
});
