/**
 * `settled verify` as a person or a script runs it: the exit code says whether the database is clean, whether something
 * was found, or whether it could not be audited at all, and stdout carries the report alone.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { AuditReport } from '../../src/audit/index.ts';
import { testLedgerOptions } from '../support/database.ts';
import { DamagedStream, isOf } from './damaged-stream.ts';

const bench = new DamagedStream();
const PROGRAM = fileURLToPath(new URL('../../bin/settled.mjs', import.meta.url));

interface Ending {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function verify(keyspace: string, ...args: string[]): Promise<Ending> {
  const { contactPoints, port, datacenter } = testLedgerOptions(keyspace);
  const env = {
    ...process.env,
    SETTLED_CASSANDRA_CONTACT_POINTS: contactPoints.join(','),
    SETTLED_CASSANDRA_PORT: `${port}`,
    SETTLED_CASSANDRA_DATACENTER: datacenter,
    SETTLED_CASSANDRA_KEYSPACE: keyspace,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, 'verify', ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

describe('settled verify', () => {
  it('ends with 0 and says that a clean database is clean', async () => {
    const { code, stdout } = await verify(bench.client.keyspace);
    expect(stdout).toMatch(/60 trades/);
    expect(stdout).toMatch(/\nclean \(/);
    expect(code).toBe(0);
  });

  it('ends with 1 and names each finding, as one JSON object where it is asked for', async () => {
    const balance = bench.busyBalance();
    await bench.image.remove('user_balances', isOf(balance));
    const text = await verify(bench.client.keyspace, '--stream', 'main');
    expect(text.code).toBe(1);
    expect(text.stdout).toMatch(/FOUND entries-without-balance: balance \d+\/\d+ has entries/);
    const json = await verify(bench.client.keyspace, '--stream', 'main', '--json', '--no-record');
    expect(json.code).toBe(1);
    const report = JSON.parse(json.stdout) as AuditReport;
    expect(report.ok).toBe(false);
    expect(report.findings).toContainEqual(
      expect.objectContaining({
        kind: 'entries-without-balance',
        user: `${balance['user_id'] as bigint}`,
        asset: balance['asset_id'],
      }),
    );
  });

  it.each([
    ['there is no such stream', ['--stream', 'other'], /there is no stream other/],
    ['the oracle is no oracle', ['--oracle', PROGRAM], /the oracle .* cannot be read/],
    ['an option is misspelt', ['--jsn'], /unknown option/],
  ])('ends with 2 where %s', async (_, args, message) => {
    const { code, stdout, stderr } = await verify(bench.client.keyspace, ...args);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('ends with 2 where there is no database', async () => {
    const { code, stderr } = await verify('no_such_keyspace');
    expect(stderr).toMatch(/run "settled migrate"/);
    expect(code).toBe(2);
  });
});
