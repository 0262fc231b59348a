/**
 * The benchmark as a user runs it, as small as it can be, on the servers under test: one JSON object, every contender
 * verified, a chart, and nothing left behind.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, inject, it } from 'vitest';
import type { BenchReport } from '../../bench/report.ts';
import { connect } from '../../src/ledger/connection.ts';
import { testLedgerOptions } from '../support/database.ts';

const PROGRAM = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'settled-bench-test-'));

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the benchmark on the servers under test. */
function bench(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const stack = inject('stack');
  const env = {
    ...process.env,
    SETTLED_HOME: join(folder, 'home'),
    SETTLED_TEMPORAL_ADDRESS: stack.temporalAddress,
    SETTLED_CASSANDRA_CONTACT_POINTS: stack.cassandraContactPoints.join(','),
    SETTLED_CASSANDRA_PORT: String(stack.cassandraPort),
    SETTLED_CASSANDRA_DATACENTER: stack.datacenter,
  };
  const node = ['--import', 'tsx/esm', PROGRAM, ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, node, { env, cwd: ROOT, maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    });
  });
}

async function keyspaces(): Promise<string[]> {
  const client = await connect(testLedgerOptions('system'), 'cluster');
  try {
    const { rows } = await client.execute('SELECT keyspace_name FROM system_schema.keyspaces');
    return rows.map((row) => String(row['keyspace_name']));
  } finally {
    await client.shutdown();
  }
}

describe('the benchmark', () => {
  it('settles a little by each way, verifies it, and reports it as JSON and as a chart', async () => {
    const sizes = ['--rounds', '1', '--seconds', '0.2', '--users', '30', '--server-warm', '0'];
    const shares = ['--only', 'a,b,c,product'];
    const { code, stdout, stderr } = await bench('--json', '--out', folder, ...sizes, ...shares);
    expect(code, stderr).toBe(0);
    const report = JSON.parse(stdout) as BenchReport;
    const names = ['classicLoop', 'workflowPerTrade', 'writeCeiling', 'product'] as const;
    expect(Object.keys(report.contenders).sort()).toEqual([...names].sort());
    for (const name of names) {
      const one = report.contenders[name]!;
      expect(one.verification, name).toMatchObject({ ok: true });
      expect(one.tradesPerSecond, name).toBeGreaterThan(0);
    }
    expect(report.contenders.writeCeiling!.calibration!.tried.length).toBeGreaterThan(5);
    for (const ratio of ['productToClassic', 'productToWorkflowPerTrade', 'productToCeiling'] as const)
      expect(report.ratios[ratio], ratio).toBeGreaterThan(0);
    expect(report.history).toMatchObject({
      eventsPerTrade: expect.any(Number),
      bytesPerEventByte: expect.any(Number),
    });
    expect(report.memoryMiB.worker).toBeGreaterThan(50);
    expect(report.ok).toBe(true);
    expect(JSON.parse(readFileSync(join(folder, 'benchmark.json'), 'utf8'))).toEqual(report);
    expect(readFileSync(join(folder, 'benchmark.svg'), 'utf8')).toContain('</svg>');
    expect((await keyspaces()).filter((name) => name.startsWith('bench_'))).toEqual([]);
  }, 180_000);

  it('says by its exit code that it was told what it does not know', async () => {
    const { code, stdout, stderr } = await bench('--only', 'z');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('--only');
  });
});
