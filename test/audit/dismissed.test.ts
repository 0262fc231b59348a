/**
 * Dismissed events in an audit: reported always, never a finding, and what they alone make differ from the engine's book
 * is explained; what goes beyond that is found all the same.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { AuditReport, OracleFile } from '../../src/audit/index.ts';
import { Rig } from '../ingest/rig.ts';
import { Stating } from '../decisions/engine.ts';
import { decide, settledJson, settled, untilHalted } from '../decisions/support.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let rig: Rig;
let stream: string;
const folder = mkdtempSync(join(tmpdir(), 'settled-test-'));

// Seven is deposited, two more of them dismissed: one whose version was free, one whose version another event has.
beforeAll(async () => {
  rig = await Rig.start();
  await rig.startWorker();
  stream = rig.stream();
  const engine = await rig.engine();
  const running = await rig.ingest({ stream, endpoint: engine.endpoint });
  const stating = new Stating()
    .ledger('DEPOSIT', 1, 0, 7)
    .ledger('WITHDRAW', 1, 1, 9)
    .ledger('DEPOSIT', 1, 2, 4)
    .ledger('DEPOSIT', 1, 2, 5)
    .ledger('DEPOSIT', 9, 0, 1);
  await rig.send(engine, stating.messages.slice(0, 3));
  await untilHalted(running, 2);
  await decide(rig, stream, 1, 'dismiss', 2);
  await running.untilSettled(3);
  await rig.send(engine, stating.messages.slice(3));
  await untilHalted(running, 4);
  await decide(rig, stream, 1, 'dismiss', 4);
  await running.untilSettled(5);
  await running.close();
}, 120_000);
afterEach(async () => {
  await rig.database.client.execute('TRUNCATE audit_runs', [], { prepare: false });
});
afterAll(async () => {
  await rig.clear();
  await rig.stop();
  rmSync(folder, { recursive: true });
});

/** The engine's book: 7 − 9 + 4 + 5 = 7, four changes. */
function oracle(more: Readonly<Record<string, number>> = {}, available = '7', version = '4'): OracleFile {
  return {
    counts: { DEPOSIT: 4, WITHDRAW: 1, ...more },
    balances: [
      { user: '1', asset: 2, available, frozen: '0', version },
      { user: '9', asset: 2, available: '1', frozen: '0', version: '1' },
    ],
  };
}

const check = (file?: OracleFile): Promise<AuditReport> => rig.audit(stream, file);

test('are reported with who, why, and what the engine’s book has of them', async () => {
  const report = await check();
  expect(report).toMatchObject({ ok: true, findings: [], explained: [] });
  expect(report.counts).toMatchObject({
    dismissed: 2,
    quarantined: 2,
    events: 4,
    ledgerEvents: { deposit: 3, withdraw: 0 },
    lines: 5,
  });
  expect(report.dismissed).toEqual([
    {
      stream,
      sequence: '2',
      event: 'withdraw (sequence 2)',
      finished: true,
      row: true,
      who: 'ann',
      why: 'a test',
      at: expect.stringMatching(/^20/),
      balances: [{ user: '1', asset: 2, availableChange: '-9', frozenChange: '0', versions: 1, taken: true }],
    },
    {
      stream,
      sequence: '4',
      event: 'deposit (sequence 4)',
      finished: true,
      row: false,
      who: 'ann',
      why: 'a test',
      at: expect.stringMatching(/^20/),
      balances: [{ user: '1', asset: 2, availableChange: '5', frozenChange: '0', versions: 1, taken: false }],
    },
  ]);
});

test('explain what differs from the engine’s book by them alone, with either version', async () => {
  const report = await check(oracle());
  expect(report.findings).toEqual([]);
  expect(report.explained.toSorted()).toEqual([
    'DEPOSIT: 3 here, the engine counts 4: 1 dismissed',
    'WITHDRAW: 0 here, the engine counts 1: 1 dismissed',
    'balance 1/2: available 11, the engine has 7; version 3, the engine has 4: by dismissed events',
  ]);
  expect((await check(oracle({}, '7', '3'))).findings).toEqual([]);
});

test('explain nothing beyond that', async () => {
  const kinds = async (file: OracleFile): Promise<string[]> =>
    (await check(file)).findings.map(({ kind }) => kind);
  expect(await kinds(oracle({}, '8'))).toEqual(['oracle-mismatch']);
  expect(await kinds(oracle({}, '7', '5'))).toEqual(['oracle-mismatch']);
  expect(await kinds(oracle({}, '7', '2'))).toEqual(['oracle-mismatch']);
  expect(await kinds(oracle({ DEPOSIT: 5 }))).toEqual(['oracle-count']);
  expect(await kinds(oracle({ LOCK: 1 }))).toEqual(['oracle-count']);
});

test('are shown by the command whatever it finds, and end it with 0 where there is nothing else', async () => {
  const path = join(folder, 'oracle.json');
  writeFileSync(path, JSON.stringify(oracle()));
  const clean = await settled(rig, stream, 'verify', '--oracle', path);
  expect(clean).toMatchObject({ code: 0 });
  expect(clean.stdout).toContain(`DISMISSED withdraw (sequence 2) of stream ${stream}, by ann, 20`);
  expect(clean.stdout).toContain(
    "balance 1/2: available -9, frozen 0 in the engine's book and not here; 1 version taken as void",
  );
  expect(clean.stdout).toContain('EXPLAINED balance 1/2: available 11, the engine has 7');
  writeFileSync(path, JSON.stringify(oracle({}, '8')));
  const found = await settledJson(rig, stream, 'verify', '--oracle', path);
  expect(found.code).toBe(1);
  expect(found.json).toMatchObject({ ok: false, findingsTotal: 1, counts: { dismissed: 2 } });
  expect(found.json['dismissed']).toHaveLength(2);
});

test('that are settled all the same are found', async () => {
  // A decision without its void: somebody wrote it by hand, or what was dismissed was settled otherwise.
  const { client } = rig.database;
  const decided = "UPDATE quarantined_events SET decision = 'dismissed' WHERE stream = ? AND sequence = ?";
  await client.execute(
    'INSERT INTO quarantined_events (stream, sequence, kind, row) VALUES (?, 3, ?, ?)',
    [stream, 'deposit', `3 deposit 1 2 4 2 1700000000003 3 0 -`],
    { prepare: true },
  );
  await client.execute(decided, [stream, 3n], { prepare: true });
  try {
    expect((await check()).findings).toMatchObject([{ kind: 'dismissed-yet-settled', sequence: '3' }]);
  } finally {
    await client.execute('DELETE FROM quarantined_events WHERE stream = ? AND sequence = 3', [stream], {
      prepare: true,
    });
  }
});
