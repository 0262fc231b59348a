/**
 * The audit of sound databases: it finds nothing where nothing is wrong (I1 to I7), whatever is in flight, however many
 * streams there are, and while a stream goes on settling; and it agrees with the engine's own books.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audit, AuditError } from '../../src/audit/index.ts';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';
import { settleStream, type SettledStream } from '../support/settled-stream.ts';

const SIMULATED = { scenario: 'random', trades: 300, users: 25, seed: 11 } as const;

describe('the audit of a settled stream', () => {
  let database: TestDatabase;
  let settled: SettledStream;

  beforeAll(async () => {
    database = await freshKeyspace();
    settled = await settleStream(database.client, SIMULATED);
  });
  afterAll(() => database.drop());

  it('finds nothing, and counts what the engine counted', async () => {
    const report = await audit(database.client, { oracle: settled.oracle });
    expect(report.findings).toEqual([]);
    expect(report.ok).toBe(true);
    const { DEPOSIT, WITHDRAW, LOCK, UNLOCK } = settled.oracle.counts;
    expect(report.counts).toMatchObject({
      events: settled.events,
      trades: 300,
      ledgerEvents: { deposit: DEPOSIT, withdraw: WITHDRAW, lock: LOCK, unlock: UNLOCK },
      lines: settled.events,
      balances: settled.oracle.balances.length,
      entries: settled.oracle.balances.reduce((sum, { version }) => sum + Number(version), 0),
      watermark: `${settled.watermark}`,
      inFlight: { lines: 0, events: 0, entriesToCome: 0 },
      rejected: 0,
      quarantined: 0,
    });
  });

  it('settled self-trades and refunds, so that two legs and two steps on one balance were checked', async () => {
    const trades = await database.client.execute(
      'SELECT buyer_user_id, seller_user_id, buyer_refund, seller_refund FROM settled_trades',
      [],
      { prepare: true },
    );
    const any = (holds: (row: Record<string, unknown>) => boolean): boolean => trades.rows.some(holds);
    expect(any((row) => row['buyer_user_id'] === row['seller_user_id'])).toBe(true);
    expect(any((row) => row['buyer_refund'] !== 0n)).toBe(true);
    expect(any((row) => row['seller_refund'] !== 0n)).toBe(true);
  });

  it('agrees with itself however the ring is cut', async () => {
    for (const [ranges, pageRows] of [
      [1, 7],
      [3, 5_000],
      [100, 50],
    ] as const) {
      const report = await audit(database.client, { ranges, pageRows, record: false });
      expect(report.findings).toEqual([]);
      expect(report.counts.events).toBe(settled.events);
    }
  });

  it('keeps the run in the database', async () => {
    const report = await audit(database.client);
    const runs = await database.client.execute(
      'SELECT started_at, ok, watermark FROM audit_runs WHERE stream = ? LIMIT 1',
      ['main'],
      { prepare: true },
    );
    expect(runs.rows[0]).toMatchObject({
      started_at: new Date(report.startedAt),
      ok: true,
      watermark: settled.watermark,
    });
  });

  it('refuses an oracle that is none, and a stream that does not exist', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'oracle-')), 'oracle.json');
    await expect(audit(database.client, { oracle: path })).rejects.toThrow(AuditError);
    writeFileSync(path, JSON.stringify({ counts: {}, balances: [{ user: '1', asset: 1, available: '-1' }] }));
    await expect(audit(database.client, { oracle: path })).rejects.toThrow(/available of 1\/1: "-1"/);
    writeFileSync(path, '{"balances": []}');
    await expect(audit(database.client, { oracle: path })).rejects.toThrow(/no counts/);
    await expect(audit(database.client, { stream: 'other' })).rejects.toThrow(/there are: main/);
  });
});

describe('several streams in one database', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await freshKeyspace();
  });
  afterAll(() => database.drop());

  it('are clean together, and each log is looked at by itself', async () => {
    await settleStream(database.client, { stream: 'a', trades: 40, users: 3, firstUser: 1n });
    await settleStream(database.client, { stream: 'b', trades: 30, users: 3, firstUser: 100n, seed: 2 });
    const report = await audit(database.client, { record: false });
    // The simulator's trade ids are spread by seed: no two streams share one here.
    expect(report.findings).toEqual([]);
    expect(report.streams.map(({ stream }) => stream).sort()).toEqual(['a', 'b']);
    const one = await audit(database.client, { stream: 'b', record: false });
    expect(one.findings).toEqual([]);
    expect(one.counts.trades).toBe(70);
    expect(one.counts.lines).toBe(one.streams[0]?.lines);
  });
});

describe.each([
  ['a stream that goes on', 0],
  ['a stream that goes on beside one that is further', 900],
])('%s', (_what, tradesBeside) => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await freshKeyspace();
    const beside = { stream: 'beside', trades: tradesBeside, users: 5, firstUser: 10_000n, seed: 3 };
    if (tradesBeside > 0) await settleStream(database.client, beside);
  });
  afterAll(() => database.drop());

  it('is audited up to its watermark, without taking what is under way for damage', async () => {
    const settling = { now: true };
    const settled = settleStream(database.client, { ...SIMULATED, trades: 800, windowEvents: 60 }).finally(
      () => {
        settling.now = false;
      },
    );
    let audits = 0;
    let inFlight = 0;
    // Until the stream is recorded there is nothing to audit.
    await expect
      .poll(() =>
        audit(database.client).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    while (settling.now) {
      const report = await audit(database.client, { ranges: 4, record: false });
      expect(report.findings).toEqual([]);
      audits += 1;
      inFlight += report.counts.inFlight.events;
    }
    await settled;
    expect(audits).toBeGreaterThan(0);
    expect(inFlight).toBeGreaterThan(0);
    expect((await audit(database.client)).findings).toEqual([]);
  });
});
