/**
 * The audit over bucket bounds: a balance of more than ten thousand versions and a stream of as many sequences, whose
 * entries, events and lines stand in several partitions. Versions, chains and sequences must join across them.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { audit, type AuditReport } from '../../src/audit/index.ts';
import { calculate } from '../../src/domain/calculate.ts';
import type { Balance } from '../../src/domain/balance.ts';
import { contentDigest } from '../../src/domain/digest.ts';
import { entriesOf, type LedgerEntry } from '../../src/domain/entries.ts';
import type { LedgerEvent } from '../../src/domain/event.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import { entryStatement } from '../../src/ledger/entry-rows.ts';
import { missingBalance } from '../../src/ledger/balance-rows.ts';
import { CassandraStorage } from '../../src/ledger/storage.ts';
import { writeLines } from '../../src/ledger/stream-log.ts';
import { openStream, writeWatermark } from '../../src/ledger/streams.ts';
import type { EncodedEvent } from '../../src/settlement/port.ts';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';

const STREAM = 'main';
const USER = 77n;
const ASSET = 2;
const VERSIONS = 10_040;
const GROUP = 40;

let database: TestDatabase;
const entries: LedgerEntry[] = [];

/** Deposits to one balance, written in groups as the settler would, without its reads. */
async function writeDeposits(): Promise<void> {
  const { client } = database;
  const storage = new CassandraStorage(client);
  const settledBy = JSON.stringify({ workflow: 'test', run: 'test' });
  let balance: Balance = missingBalance({ userId: USER, assetId: ASSET });
  for (let first = 1; first <= VERSIONS; first += GROUP) {
    const rows: EncodedEvent[] = [];
    const lines: Parameters<typeof writeLines>[2][number][] = [];
    const group: LedgerEntry[] = [];
    for (let number = first; number < first + GROUP; number += 1) {
      const sequence = BigInt(number);
      const event: LedgerEvent = {
        kind: 'deposit',
        sequence,
        timeMs: 1_767_225_600_000 + number,
        stamped: false,
        userId: USER,
        sequenceId: sequence,
        amount: sequence,
        currency: ASSET,
        relatedId: 0n,
        version: sequence - 1n,
        versionStated: true,
      };
      const digest = contentDigest(event);
      const legs = legsOf(event);
      const result = calculate(event, digest, legs, touchesOf(legs), [balance]);
      if (result.kind !== 'calculated') throw new Error(result.reason);
      balance = result.balances[0] ?? balance;
      rows.push(storage.encodeEvent(STREAM, { event, digest }, result.legs, settledBy));
      group.push(...entriesOf(STREAM, event, result.legs));
      lines.push({ sequence, kind: 'deposit', id: sequence, digest, lease: 1n });
    }
    entries.push(...group);
    // Lines of two buckets may not share a batch.
    const crossing = lines.findIndex(({ sequence }) => sequence % 10_000n === 0n);
    const parts = crossing > 0 ? [lines.slice(0, crossing), lines.slice(crossing)] : [lines];
    for (const part of parts) await writeLines(client, STREAM, part);
    const write = { userId: USER, assetId: ASSET, balance, timeMs: 1_767_225_600_000 + first + GROUP - 1 };
    await storage.writeBatch({ events: rows, balances: [write] });
    await storage.writeEntries(group);
  }
  await writeWatermark(client, STREAM, BigInt(VERSIONS));
}

const check = (pageRows = 2_000): Promise<AuditReport> =>
  audit(database.client, { ranges: 3, pageRows, record: false });

let damaged = false;

/** Writes the table again without them: what was deleted could not come back at its own time. */
async function removeEntries(versions: readonly number[]): Promise<void> {
  await database.client.execute('TRUNCATE ledger_entries', [], { prepare: false, readTimeout: 60_000 });
  const left = entries.filter(({ version }) => !versions.includes(Number(version)));
  damaged = true;
  await writeAll(left);
}

async function writeAll(all: readonly LedgerEntry[]): Promise<void> {
  for (let at = 0; at < all.length; at += 100)
    await database.client.batch(
      all.slice(at, at + 100).map((entry) => {
        const { query, params } = entryStatement(entry);
        return { query, params: params as unknown[] };
      }),
      { prepare: true, logged: false },
    );
}

beforeAll(async () => {
  database = await freshKeyspace();
  await openStream(database.client, STREAM, 1, 'numbered');
  await writeDeposits();
});
afterEach(async () => {
  if (damaged) await writeAll(entries);
  damaged = false;
});
afterAll(() => database.drop());

describe('a balance of more versions than a bucket holds', () => {
  it('is clean, whatever the pages', async () => {
    for (const pageRows of [9_999, 1_000]) {
      const report = await check(pageRows);
      expect(report.findings).toEqual([]);
      expect(report.counts).toMatchObject({ entries: VERSIONS, balances: 1, lines: VERSIONS });
    }
  });

  it.each([[9_999], [10_000], [10_001]])('misses just the entry of version %i', async (version) => {
    await removeEntries([version]);
    expect((await check()).findings).toMatchObject([{ kind: 'entry-missing', version: `${version}` }]);
  });

  it('misses the whole last bucket', async () => {
    const versions = Array.from({ length: 41 }, (_, at) => 10_000 + at);
    await removeEntries(versions);
    const report = await check();
    expect(report.findings.map(({ kind, version }) => [kind, Number(version)])).toEqual(
      versions.map((version) => ['entry-missing', version]),
    );
  });

  it('misses more than a report can name, and counts them all', async () => {
    await removeEntries(entries.map(({ version }) => Number(version)));
    const report = await check();
    expect(report.findings).toHaveLength(1_000);
    expect(report.findingsTotal).toBeGreaterThanOrEqual(VERSIONS);
    expect(report.ok).toBe(false);
  });
});
