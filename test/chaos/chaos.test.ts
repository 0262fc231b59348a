/** Twenty faults in one run, at least half of them kills, by the command that a person would use: nothing lost, nothing doubled, nothing found. */
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import type { ChaosReport } from './report.ts';

const PROGRAM = fileURLToPath(new URL('./main.ts', import.meta.url));
const RUN_MS_MAX = 900_000;

test(
  'twenty faults lose nothing, double nothing and leave nothing to find',
  { timeout: RUN_MS_MAX },
  async () => {
    const args = [
      '--import',
      'tsx/esm',
      PROGRAM,
      '--faults',
      '20',
      '--seed',
      '20',
      '--trades-per-fault',
      '1500',
      '--json',
    ];
    const { stdout, stderr } = await execa(process.execPath, args, { reject: false, timeout: RUN_MS_MAX });
    expect(stdout, stderr).not.toBe('');
    const report = JSON.parse(stdout) as ChaosReport;
    const { ok, failure, lost, doubled, findings } = report;
    expect({ ok, failure, lost, doubled, findings }, stderr).toEqual({
      ok: true,
      lost: 0,
      doubled: 0,
      findings: 0,
    });
    expect(Object.values(report.faults).reduce((sum, times) => sum + times, 0)).toBe(20);
    expect(report.kills).toBeGreaterThanOrEqual(10);
    expect(report.inFlightMin).toBeGreaterThanOrEqual(1_000);
  },
);
