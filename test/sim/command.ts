/** The command behind main.ts, in the process that it starts. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { LiveLine } from '../../src/logging/live-line.ts';
import { reasonOf } from '../../src/logging/reason-of.ts';
import { FAULT_KINDS, type FaultKind } from './faults.ts';
import { runInProcesses, type Report, type SeedsSoFar } from './jobs.ts';
import { realNowMs, takeOverTime } from './machine.ts';
import { Simulation, type Outcome } from './simulation.ts';

/** Lines of a failing seed's trace that are printed; all of them with --trace. */
const TRACE_LINES_MAX = 200;

const VIOLATION_EXIT_CODE = 1;
const FAULTY_CALL_EXIT_CODE = 2;
const INTERRUPTED_EXIT_CODE = 130;
const PROGRESS_MS = 500;
const SEEDS_PER_JOB_MIN = 50;
/** How often a process of several says how far it is, in seeds. */
const TOLD_EVERY_SEEDS = 20;

takeOverTime();
const interruption = new AbortController();
/** Frames of a stack. Errors are many here, and mostly ordinary. */
const STACK_FRAMES = 0;
const STACK_FRAMES_TRACED = 10;

/** What may be asked for. */
const OPTIONS = {
  seeds: { type: 'string', default: '200' },
  from: { type: 'string', default: '1' },
  seed: { type: 'string' },
  jobs: { type: 'string' },
  failures: { type: 'string', default: '5' },
  trace: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;
const HELP = `npm run sim -- [options]: the product's own code over simulated servers, seed by seed

  --seeds N      so many seeds (200)
  --from S       beginning with this one (1)
  --seed S       this one alone
  --jobs N       processes side by side (as many as there are cores)
  --failures N   seeds that may fail before it ends, in each process (5)
  --trace        print what happens, of each seed
  --json         one JSON object on stdout

exit codes: 0 nothing found, 1 violations, 2 wrong usage, 130 interrupted: what was run is reported`;

function valuesOf(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    return faultyCall(reasonOf(error));
  }
}

/** Runs the command. */
export async function command(args: string[]): Promise<void> {
  const values = valuesOf(args);
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    process.exit(0);
  }
  const { failures: failuresMax, trace, json } = values;
  const startedMs = realNowMs();
  const [, thisFile = ''] = process.argv;
  const first = wholeNumber('from', values.seed ?? values.from);
  const count = values.seed === undefined ? wholeNumber('seeds', values.seeds) : 1;
  const jobs = values.jobs === undefined ? jobsFor(count, trace) : wholeNumber('jobs', values.jobs);
  const line = new LiveLine({ everyMs: PROGRESS_MS, nowMs: realNowMs });
  const onProgress = (soFar: SeedsSoFar): void => {
    // One of several processes tells the one that started it, which shows it for all.
    if (!process.send) line.show(() => progressText(soFar, count, realNowMs() - startedMs));
    else if (soFar.seeds % TOLD_EVERY_SEEDS === 0) process.send(soFar);
  };
  // The seed under way is run to its end; what was run is reported.
  const interrupt = (): void => interruption.abort();
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const more = ['--failures', failuresMax];
  const report =
    jobs > 1
      ? await runInProcesses(thisFile, jobs, first, count, more, onProgress)
      : await runSeeds(first, count, wholeNumber('failures', failuresMax), trace, onProgress);
  line.end();
  const seconds = (realNowMs() - startedMs) / 1_000;
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    for (const [kind, times] of Object.entries(report.faults))
      process.stdout.write(`${String(times).padStart(9)}  ${kind}\n`);
    process.stdout.write(`${report.seeds} seeds, ${report.violations} with violations\n`);
  }
  process.stderr.write(`${(report.seeds / seconds).toFixed(1)} seeds/s\n`);
  if (interruption.signal.aborted)
    process.stderr.write(`interrupted: ${report.seeds} of ${count} seeds were run\n`);
  // A reader may be slow, and an exit does not wait for him.
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  if (report.violations > 0) process.exit(VIOLATION_EXIT_CODE);
  process.exit(interruption.signal.aborted ? INTERRUPTED_EXIT_CODE : 0);
}

/** A process is worth starting for some seeds only, and a trace is read as it comes. */
function jobsFor(count: number, trace: boolean): number {
  return trace ? 1 : Math.min(availableParallelism(), Math.ceil(count / SEEDS_PER_JOB_MIN));
}

function progressText({ seeds, violations }: SeedsSoFar, count: number, ms: number): string {
  const rate = seeds / (ms / 1_000);
  const minutes = Math.ceil((count - seeds) / rate / 60);
  return `${seeds} of ${count} seeds, ${violations} with violations, ${rate.toFixed(1)} seeds/s, ${minutes} min left`;
}

/** Resolves once all that was written is written. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => {
      resolve();
    });
  });
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value <= 0)
    faultyCall(`--${name}: "${text}" is no whole number above 0`);
  return value;
}

function faultyCall(problem: string): never {
  process.stderr.write(`${problem}\n`);
  process.exit(FAULTY_CALL_EXIT_CODE);
}

/** Runs seeds one after the other, until as many have failed as may. */
async function runSeeds(
  first: number,
  count: number,
  failuresMax: number,
  trace: boolean,
  onProgress: (soFar: SeedsSoFar) => void,
): Promise<Report> {
  const struck = new Map<FaultKind, number>();
  let seeds = 0;
  let violations = 0;
  for (
    let seed = first;
    seed < first + count && violations < failuresMax && !interruption.signal.aborted;
    seed += 1
  ) {
    const outcome = await runSeed(seed, trace);
    seeds += 1;
    for (const [kind, times] of outcome.struck) struck.set(kind, (struck.get(kind) ?? 0) + times);
    const isFaulty = outcome.violations.length > 0;
    if (isFaulty) violations += 1;
    onProgress({ seeds, violations });
    if (trace) tell(outcome, true);
    // A run is the same every time: its trace is made when it is wanted.
    else if (isFaulty) tell(await runSeed(seed, true), false);
  }
  return {
    seeds,
    violations,
    faults: Object.fromEntries(FAULT_KINDS.map((kind) => [kind, struck.get(kind) ?? 0])),
  };
}

let unhandled: string[] = [];
process.on('unhandledRejection', (error) => {
  unhandled.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
});

async function runSeed(seed: number, trace: boolean): Promise<Outcome> {
  unhandled = [];
  Error.stackTraceLimit = trace ? STACK_FRAMES_TRACED : STACK_FRAMES;
  const outcome = await new Simulation(seed, trace).run();
  if (unhandled.length === 0) return outcome;
  return {
    ...outcome,
    violations: [...outcome.violations, ...unhandled.map((one) => `unhandled rejection: ${one}`)],
  };
}

function tell(
  { seed, violations, trace, steps, virtualMs, events, traceDigest }: Outcome,
  whole: boolean,
): void {
  const lines = whole ? trace : trace.slice(-TRACE_LINES_MAX);
  process.stderr.write(`${lines.join('\n')}\n`);
  process.stderr.write(
    `seed ${seed}: ${events} events, ${steps} steps, ${(virtualMs / 1_000).toFixed(1)} s of virtual time, trace ${traceDigest}\n`,
  );
  for (const violation of violations) process.stderr.write(`VIOLATION in seed ${seed}: ${violation}\n`);
  if (violations.length > 0) process.stderr.write(`replay: npm run sim -- --seed ${seed} --trace\n`);
}
