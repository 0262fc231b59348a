/** What a chaos run's verdict notices: on rows that were damaged for it, and on reports and endings that leave something open. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';
import { settleStream } from '../support/settled-stream.ts';
import { keepBooks, type Books } from './books.ts';
import { failureOf, leftOpen } from './proof.ts';
import { reckon, type Reckoning } from './reckoning.ts';

const SIMULATED = { scenario: 'random', seed: 5, trades: 20, users: 5 } as const;

describe('a count row by row', () => {
  let database: TestDatabase;
  let books: Books;
  const folder = mkdtempSync(join(tmpdir(), 'settled-test-'));
  beforeAll(async () => {
    database = await freshKeyspace();
    books = await keepBooks(SIMULATED, join(folder, 'oracle.json'));
    await settleStream(database.client, SIMULATED);
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await database.drop();
  });

  const counted = (): Promise<Reckoning> => reckon(database.client, 'main', books);
  const execute = (query: string, params: unknown[] = []) =>
    database.client.execute(query, params, { prepare: true });
  const entries = async () => (await execute('SELECT * FROM ledger_entries')).rows;

  test('finds nothing in what was settled as it is in the books', async () => {
    expect(await counted()).toEqual({ events: books.events, lost: 0, doubled: 0, examples: [] });
  });

  test('finds an entry that is missing, and one that there should not be', async () => {
    const [entry] = await entries();
    const key = [entry!['user_id'], entry!['asset_id'], entry!['bucket'], entry!['version']];
    await execute(
      'DELETE FROM ledger_entries WHERE user_id = ? AND asset_id = ? AND bucket = ? AND version = ?',
      key,
    );
    expect(await counted()).toMatchObject({ lost: 1, doubled: 0 });
    const again =
      'INSERT INTO ledger_entries (user_id, asset_id, bucket, version, stream, sequence) VALUES (?, ?, ?, ?, ?, ?)';
    await execute(again, [...key, 'main', entry!['sequence']]);
    expect(await counted()).toMatchObject({ lost: 0, doubled: 0 });
    const other = [...key.slice(0, 3), 9_999n, 'main'];
    await execute(again, [...other, entry!['sequence']]);
    expect(await counted()).toMatchObject({ lost: 0, doubled: 1 });
    await execute(again, [...other, 1_000_000n]);
    const { doubled, examples } = await counted();
    expect(doubled).toBe(1);
    expect(examples).toEqual(['an entry is of sequence 1000000, which the engine does not have']);
    await execute(
      'DELETE FROM ledger_entries WHERE user_id = ? AND asset_id = ? AND bucket = ? AND version = ?',
      other.slice(0, 4),
    );
  });

  test('finds a row that is missing, and one that the engine does not have', async () => {
    const [row] = (await execute('SELECT * FROM ledger_events')).rows;
    const place = [row!['stream'], row!['bucket'], row!['sequence']];
    const insert =
      'INSERT INTO ledger_events (stream, bucket, sequence, kind, sequence_id) VALUES (?, ?, ?, ?, ?)';
    await execute('DELETE FROM ledger_events WHERE stream = ? AND bucket = ? AND sequence = ?', place);
    expect(await counted()).toMatchObject({ lost: 1, doubled: 0 });
    await execute(insert, [...place, row!['kind'], row!['sequence_id']]);
    expect(await counted()).toMatchObject({ lost: 0, doubled: 0 });
    await execute(insert, ['main', 0n, 9_000n, 'deposit', 9_000n]);
    expect(await counted()).toMatchObject({ lost: 0, doubled: 1 });
  });
});

const NONE: Reckoning = { events: 7, lost: 0, doubled: 0, examples: [] };
const CLEAN = {
  ok: true,
  findings: [],
  findingsTotal: 0,
  complete: true,
  counts: {
    rejected: 0,
    dismissed: 0,
    moving: 0,
    watermark: '7',
    inFlight: { lines: 0, events: 0, entriesToCome: 0 },
  },
} as unknown as Parameters<typeof leftOpen>[0];

test('a report of a stream at rest may leave nothing open', () => {
  const open = (more: object, counts: object = {}): string[] =>
    leftOpen({ ...CLEAN, ...more, counts: { ...CLEAN.counts, ...counts } }, { events: 7 });
  expect(open({})).toEqual([]);
  expect(open({ complete: false })).toEqual(['the audit was not complete']);
  expect(open({}, { watermark: '6' })).toEqual(['the watermark is 6, of 7 events']);
  expect(open({}, { rejected: 2 })).toEqual(['the audit counts 2 of: rejected']);
  expect(open({}, { inFlight: { lines: 1, events: 0, entriesToCome: 0 } })).toEqual([
    'the audit counts 1 of: lines',
  ]);
});

test('a stream that stopped, and a process that crashed, are failures, however well it ended', () => {
  expect(failureOf(0, undefined, NONE, { worker: { 'exit code 1': 3 } })).toBeUndefined();
  expect(failureOf(0, undefined, NONE, { ingest: { 'exit code 3': 1 } })).toBe(
    'ingest ended by itself: exit code 3, 1 times',
  );
  expect(failureOf(0, undefined, NONE, { worker: { SIGSEGV: 1 } })).toContain(
    'worker ended by itself: SIGSEGV',
  );
  expect(failureOf(2, 'a gap', NONE, {})).toBe('2 findings, the first: a gap');
  expect(failureOf(0, undefined, { ...NONE, lost: 1, examples: ['x'] }, {})).toBe('1 lost, 0 doubled: x');
});
