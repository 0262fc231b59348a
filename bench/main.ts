/**
 * `npm run bench`: all contenders in one run on one stack. Data goes to stdout, talk to stderr; what was started is
 * stopped, whatever happens.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '../src/config/index.ts';
import { reasonOf } from '../src/logging/reason-of.ts';
import { InterruptedError, progressFor, stackOptions, startTemporaryStack } from '../src/stack/index.ts';
import { chartOf } from './chart.ts';
import type { RoundResult } from './contender.ts';
import { contendersOf, productOf, warmingContender } from './contenders/index.ts';
import { measureLatency, type LatencyReport } from './latency.ts';
import { originNow } from './machine.ts';
import { parseShares, planOf, type Flags, type Plan, type Share } from './options.ts';
import { Places } from './place.ts';
import { Children } from './process/children.ts';
import { reportOf, type BenchReport } from './report.ts';
import { runRounds, Stand, verifyAll, warmServers } from './rounds.ts';
import { describeSoak, soak } from './soak.ts';
import { median } from './statistics.ts';
import { describeReport } from './table.ts';

/** A contender's result failed its verification, or it did not come to its end. */
const NOT_VERIFIED_EXIT_CODE = 1;
/** The benchmark could not be run as it was asked for. */
const USAGE_EXIT_CODE = 2;
const INTERRUPTED_EXIT_CODE = 130;

async function bench(flags: Flags): Promise<void> {
  const startedMs = performance.now();
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new InterruptedError());
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const progress = progressFor(process.stderr);
  const folder = mkdtempSync(join(tmpdir(), 'settled-bench-'));
  const logs = join(folder, 'logs');
  mkdirSync(logs);
  const children = new Children(logs);
  const killAll = (): void => void children.killAll();
  abort.signal.addEventListener('abort', killAll, { once: true });
  let keepLogs = false;
  try {
    const config = loadConfig(process.env);
    const stack = await startTemporaryStack({ ...stackOptions(config), progress, signal: abort.signal });
    const { home } = stack;
    const places = new Places(home);
    try {
      const around = { home, places, folder, children, progress, signal: abort.signal, startedMs };
      const isOk =
        flags.soak === undefined ? await compare(flags, around) : await soakOf(flags.soak, flags, around);
      if (!isOk) {
        process.exitCode = NOT_VERIFIED_EXIT_CODE;
        keepLogs = true;
      }
    } finally {
      await children.killAll();
      if (!stack.started.cassandra) await places.dropKeyspaces();
      if (!stack.started.temporal) await places.endWorkflows();
      await stack.stop();
    }
  } catch (error) {
    const { aborted } = abort.signal;
    keepLogs = !aborted;
    process.stderr.write(`${reasonOf(error)}\n`);
    process.exitCode = aborted ? INTERRUPTED_EXIT_CODE : NOT_VERIFIED_EXIT_CODE;
  } finally {
    await children.killAll();
    if (keepLogs) process.stderr.write(`Logs of this run are in ${logs}\n`);
    else rmSync(folder, { recursive: true, force: true });
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** What a run has at hand. */
interface Surroundings {
  readonly home: string;
  readonly places: Places;
  readonly folder: string;
  readonly children: Children;
  readonly progress: ReturnType<typeof progressFor>;
  readonly signal: AbortSignal;
  readonly startedMs: number;
}

/** All contenders. Resolves with whether every one was verified. */
async function compare(flags: Flags, around: Surroundings): Promise<boolean> {
  const report = await measure(flags, around);
  publish(flags, report, describeReport(report));
  if (flags.out !== undefined) {
    mkdirSync(flags.out, { recursive: true });
    writeFileSync(join(flags.out, 'benchmark.json'), `${JSON.stringify(report, undefined, 2)}\n`);
    writeFileSync(join(flags.out, 'benchmark.svg'), chartOf(report));
  }
  return report.ok;
}

/** A long stream through the product. Resolves with whether it was verified. */
async function soakOf(events: number, flags: Flags, around: Surroundings): Promise<boolean> {
  const plan = planOf(flags);
  const product = new Stand(productOf(plan, { ...around, cpuProf: flags.cpuProf }), around.folder);
  const warmSeconds = plan.warmSeconds('product');
  const report = await soak({ ...around, product, events, warmSeconds, origin: originNow() });
  publish(flags, report, describeSoak(report));
  if (flags.out !== undefined) {
    mkdirSync(flags.out, { recursive: true });
    writeFileSync(join(flags.out, 'benchmark-soak.json'), `${JSON.stringify(report, undefined, 2)}\n`);
  }
  return report.ok;
}

async function measure(flags: Flags, around: Surroundings): Promise<BenchReport> {
  const plan = planOf(flags);
  const origin = originNow();
  const options = { ...around, cpuProf: flags.cpuProf };
  const contenders = contendersOf(plan, options);
  const stands = contenders.map((contender) => new Stand(contender, around.folder));
  const rounds = { ...plan, ...around, stands };
  if (plan.serverWarmSeconds > 0)
    await warmServers(warmingContender(plan, options), plan.serverWarmSeconds, rounds);
  const { results, failures } = await runRounds(rounds);
  const latency = plan.shares.includes('latency')
    ? await latencyOf(plan, around, stands, results)
    : undefined;
  const verifications = await verifyAll(rounds, failures);
  return reportOf({
    origin,
    plan,
    seconds: (performance.now() - around.startedMs) / 1000,
    contenders,
    outcome: { results, failures, verifications },
    latency,
  });
}

/** The latency of the product: its stream goes on where the rounds left it, or begins where it took no part in them. */
async function latencyOf(
  plan: Plan,
  around: Surroundings,
  stands: readonly Stand[],
  results: readonly RoundResult[],
): Promise<LatencyReport> {
  const rates = results.filter(({ name }) => name === 'product').map((result) => result.tradesPerSecond);
  const product =
    stands.find(({ contender }) => contender.name === 'product') ??
    new Stand(productOf(plan, around), around.folder);
  return measureLatency({
    ...around,
    product,
    topRate: rates.length > 0 ? median(rates) : undefined,
    warmSeconds: plan.warmSeconds('product'),
    samples: plan.latencySamples,
    loadSeconds: plan.loadSeconds,
  });
}

function publish(flags: Flags, report: object, text: string): void {
  if (flags.json) {
    process.stderr.write(`\n${text}\n`);
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } else process.stdout.write(`\n${text}\n`);
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('A whole number above 0 is needed.');
  return value;
}

function tenths(text: string): number {
  const value = count(text);
  if (value < 1_000) throw new InvalidArgumentError('At least 1000 trades are needed.');
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || value > 3_600) throw new InvalidArgumentError('A number above 0 is needed.');
  return value;
}

function zeroOrMore(text: string): number {
  return text === '0' ? 0 : positive(text);
}

function shares(text: string): readonly Share[] {
  const found = parseShares(text);
  if (!found) throw new InvalidArgumentError('Letters a to g, or names of contenders, are needed.');
  return found;
}

const program = new Command('bench')
  .description(
    'compare settled with other ways to settle, on one stack (exit codes: 0 all verified, 1 not, 2 wrong usage, 130 interrupted)',
  )
  .option('--quick', 'fewer and shorter rounds, without the settler alone and the latency')
  .option('--json', 'print the report as one JSON object')
  .option('--rounds <n>', 'so many rounds (5, quick: 2)', count)
  .option('--only <list>', 'only these: letters a to g, or names, separated by commas', shares)
  .option('--soak <n>', 'instead: so many trades through the product, rate and memory by tenths', tenths)
  .option('--out <folder>', 'also write benchmark.json and benchmark.svg there')
  .option('--seconds <n>', 'length of a measured segment', positive)
  .option('--users <n>', 'users of most markets', count, 1_000)
  .option('--many-users <n>', 'users of the large market', count, 100_000)
  .option('--server-warm <n>', 'let the servers run for so many seconds before the first round', zeroOrMore)
  .option('--cpu-prof <folder>', "write CPU profiles of the product's worker and ingest there")
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE_EXIT_CODE))
  .action(bench);

await program.parseAsync();
