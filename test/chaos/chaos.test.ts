/** Twenty faults in one run, at least half of them kills, by the command that a person would use: nothing lost, nothing doubled, nothing found. */
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, onTestFailed, test } from 'vitest';
import type { ChaosReport } from './report.ts';

const PROGRAM = fileURLToPath(new URL('./main.ts', import.meta.url));
/** The run's own bound: past it, it fails and says what it waited for. Alone on two cores it takes less than a third of it. */
const RUN_S_MAX = 1_200;
/** Then it ends its scene. */
const END_MS_MAX = 90_000;
const PROCESS_MS_MAX = RUN_S_MAX * 1000 + END_MS_MAX;

test(
  'twenty faults lose nothing, double nothing and leave nothing to find',
  { timeout: PROCESS_MS_MAX + 30_000 },
  async () => {
    const args = ['--faults', '20', '--seed', '20', '--seconds-max', `${RUN_S_MAX}`, '--json'];
    let said = '';
    onTestFailed(() => void process.stderr.write(said));
    const running = execa(process.execPath, ['--import', 'tsx/esm', PROGRAM, ...args], {
      reject: false,
      timeout: PROCESS_MS_MAX,
    });
    running.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const { stdout, timedOut } = await running;
    expect({ timedOut, isSilent: stdout === '' }).toEqual({ timedOut: false, isSilent: false });
    const report = JSON.parse(stdout) as ChaosReport;
    const { ok, failure, lost, doubled, findings } = report;
    expect({ ok, failure, lost, doubled, findings }).toEqual({
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
