/** The command behind main.ts, loaded once the packages that it replaces are. */
import { parseArgs } from 'node:util';
import { FAULT_KINDS, type FaultKind } from './faults.ts';
import { realNowMs, takeOverTime } from './machine.ts';
import { Simulation, type Outcome } from './simulation.ts';

/** Lines of a failing seed's trace that are printed; all of them with --trace. */
const TRACE_LINES_MAX = 200;
const FAILURES_MAX = 5;

takeOverTime();

/** Runs the command. */
export async function command(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '200' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      trace: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const first = Number(values.seed ?? values.from);
  const count = values.seed === undefined ? Number(values.seeds) : 1;
  const struck = new Map<FaultKind, number>();
  const failures: Outcome[] = [];
  const startedMs = realNowMs();
  let ran = 0;
  for (let seed = first; seed < first + count && failures.length < FAILURES_MAX; seed += 1) {
    let outcome = await runSeed(seed, values.trace);
    ran += 1;
    for (const [kind, times] of outcome.struck) struck.set(kind, (struck.get(kind) ?? 0) + times);
    if (outcome.violations.length > 0) {
      if (!values.trace) outcome = await runSeed(seed, true);
      failures.push(outcome);
      tell(outcome, values.trace);
    } else if (values.trace) tell(outcome, true);
  }
  const seconds = (realNowMs() - startedMs) / 1_000;
  const faults = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, struck.get(kind) ?? 0]));
  if (values.json)
    process.stdout.write(`${JSON.stringify({ seeds: ran, violations: failures.length, faults })}\n`);
  else {
    for (const [kind, times] of Object.entries(faults))
      process.stdout.write(`${String(times).padStart(9)}  ${kind}\n`);
    process.stdout.write(`${ran} seeds, ${failures.length} with violations\n`);
  }
  process.stderr.write(`${(ran / seconds).toFixed(1)} seeds/s\n`);
  process.exit(failures.length > 0 ? 1 : 0);
}

let unhandled: string[] = [];
process.on('unhandledRejection', (error) => {
  unhandled.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
});

async function runSeed(seed: number, trace: boolean): Promise<Outcome> {
  unhandled = [];
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
    `seed ${seed}: ${events} events, ${steps} steps, ${(virtualMs / 1_000).toFixed(1)} s of virtual time, trace ${traceDigest.slice(0, 16)}\n`,
  );
  for (const violation of violations) process.stderr.write(`VIOLATION in seed ${seed}: ${violation}\n`);
  if (violations.length > 0) process.stderr.write(`replay: npm run sim -- --seed ${seed} --trace\n`);
}
