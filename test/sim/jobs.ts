/** Seeds over several processes: each takes a range of its own, and their reports are added up. */
import { spawn } from 'node:child_process';

/** What a process tells of how far it is, now and then. */
export interface SeedsSoFar {
  readonly seeds: number;
  readonly violations: number;
}

/** What a process reports of its seeds. */
export interface Report extends SeedsSoFar {
  readonly faults: Readonly<Record<string, number>>;
}

/**
 * A young generation that holds a whole seed is collected seldom; and by the seed's own thread, since the other cores have
 * seeds of their own.
 */
export const NODE_FLAGS = ['--min-semi-space-size=64', '--max-semi-space-size=64', '--single-threaded-gc'];

/**
 * Runs seeds in processes of their own; what they say goes to stderr. Where this process is interrupted, so are they, and
 * the report is of what they ran.
 *
 * @param file the bundled simulation (bundle.ts)
 * @param onProgress told how far all of them are
 * @throws Error if one ended without a report
 */
export async function runInProcesses(
  file: string,
  jobs: number,
  from: number,
  seeds: number,
  more: readonly string[] = [],
  onProgress: (soFar: SeedsSoFar) => void = () => {},
): Promise<Report> {
  const share = Math.ceil(seeds / jobs);
  const ranges = Array.from({ length: jobs }, (_, job) => ({
    from: from + job * share,
    seeds: Math.min(share, seeds - job * share),
  })).filter((range) => range.seeds > 0);
  const soFar: SeedsSoFar[] = ranges.map(() => ({ seeds: 0, violations: 0 }));
  const noteOf = (job: number) => (told: SeedsSoFar) => {
    soFar[job] = told;
    onProgress(totalOf(soFar));
  };
  const reports = await Promise.all(ranges.map((range, job) => runRange(file, range, more, noteOf(job))));
  const faults: Record<string, number> = {};
  for (const report of reports)
    for (const [kind, times] of Object.entries(report.faults)) faults[kind] = (faults[kind] ?? 0) + times;
  return { ...totalOf(reports), faults };
}

function totalOf(all: readonly SeedsSoFar[]): SeedsSoFar {
  return {
    seeds: all.reduce((sum, { seeds }) => sum + seeds, 0),
    violations: all.reduce((sum, { violations }) => sum + violations, 0),
  };
}

function runRange(
  file: string,
  range: { from: number; seeds: number },
  more: readonly string[],
  onProgress: (soFar: SeedsSoFar) => void,
): Promise<Report> {
  const seeds = ['--seeds', `${range.seeds}`, '--from', `${range.from}`];
  const args = [...NODE_FLAGS, file, '--json', '--jobs', '1', ...seeds];
  const child = spawn(process.execPath, [...args, ...more], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const interrupt = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  return new Promise((resolve, reject) => {
    let text = '';
    child.on('message', (soFar) => {
      onProgress(soFar as SeedsSoFar);
    });
    child.stdout?.on('data', (part: Buffer) => {
      text += part.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
      const line = /^\{.*\}$/m.exec(text)?.[0];
      if (line === undefined)
        reject(new Error(`seeds ${range.from} and up ended with code ${code} and without a report`));
      else resolve(JSON.parse(line) as Report);
    });
  });
}
