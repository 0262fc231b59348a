/**
 * A run: the scene is set, fault after fault strikes while at least a thousand events are in flight, then it is quiet,
 * the stream comes to its end, and what the database holds is held against the engine's books.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../src/cli/demo/child.ts';
import { ledgerOptions } from '../../src/cli/ledger-options.ts';
import { connect } from '../../src/ledger/connection.ts';
import type { Progress } from '../../src/stack/index.ts';
import { keepBooks, type Books } from './books.ts';
import { describeFault, faultName, hitsOurs, planOf } from './plan.ts';
import { reckon, type Reckoning } from './reckoning.ts';
import { tally, type ChaosReport, type StruckFault } from './report.ts';
import { Scene, STREAM } from './scene.ts';
import { strike } from './strike.ts';
import type { Endings } from './supervised.ts';

/** What to run. */
export interface RunOptions {
  readonly faults: number;
  readonly seed: number;
  readonly nodes: 1 | 3;
  readonly workers: 1 | 2;
  readonly only?: readonly string[];
  /** Trades of the stream for each fault. */
  readonly tradesPerFault: number;
  readonly folder: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** The run did not come through; the message says why. */
export class ChaosError extends Error {
  override readonly name = 'ChaosError';
}

/** At least so many events are in flight when a fault strikes. */
export const IN_FLIGHT_MIN = 1_000;
/** What the ingest says of itself must be no older, ms. */
const FRESH_MS = 1_000;
/** So long may the stream stand still without a fault before the run counts as stuck, ms. */
const STUCK_MS_MAX = 120_000;
/** The last fault is planned for this share of the stream: faults during which events go on use up the rest. */
const STRUCK_SHARE = 0.7;
const USERS = 200;
/** One of our processes that has nothing in flight ends within so long of being asked to, ms. */
const END_MS_MAX = 15_000;

/** Runs, whatever comes of it; the report says. @throws only if the scene can't be set, or it is interrupted */
export async function run(options: RunOptions): Promise<ChaosReport> {
  const { seed, nodes, workers, folder, progress, signal, faults, tradesPerFault } = options;
  const startedMs = performance.now();
  const trades = Math.max(faults * tradesPerFault, 4_000);
  const oracle = join(folder, 'oracle.json');
  const books = await keepBooks({ scenario: 'random', seed, trades, users: USERS }, oracle);
  const setting = progress.step('Setting the scene', { slow: true });
  const simulateArgs = ['--scenario=random', `--seed=${seed}`, `--trades=${trades}`, `--users=${USERS}`];
  const scene = await Scene.set({ folder, seed, nodes, workers, simulateArgs, progress, signal });
  setting.done(`${books.events} events to come`);
  const struck: StruckFault[] = [];
  let failure: string | undefined;
  let reckoning: Reckoning = { events: 0, lost: 0, doubled: 0, examples: [] };
  let findings = 0;
  try {
    await strikeAll(scene, options, books, struck);
    await untilSettled(scene, books);
    await quieten(scene);
    const verified = await verify(scene, oracle);
    findings = verified.findings;
    reckoning = await count(scene, books);
    failure = failureOf(findings, verified.first, reckoning);
  } catch (error) {
    if (signal.aborted) throw error;
    failure = error instanceof Error ? error.message : String(error);
  } finally {
    const ending = progress.step('Ending the scene');
    await scene.end();
    ending.done('ended');
  }
  const ours = [scene.engine, scene.ingest, ...scene.workers];
  const endings: [string, Endings][] = ours.map(({ name, endings: how }) => [name, how]);
  return {
    seed,
    nodes,
    workers,
    ...tally(struck),
    events: reckoning.events,
    lost: reckoning.lost,
    doubled: reckoning.doubled,
    findings,
    endings: Object.fromEntries(endings.filter(([, how]) => Object.keys(how).length > 0)),
    links: Object.fromEntries([...scene.proxies].map(([link, [proxy]]) => [link, { ...proxy!.counts }])),
    leftOut: scene.disk ? [] : ['full-disk'],
    seconds: Math.round((performance.now() - startedMs) / 1000),
    ...(failure === undefined ? {} : { failure }),
    ok: failure === undefined,
  };
}

async function strikeAll(
  scene: Scene,
  { seed, faults, only, progress, signal }: RunOptions,
  books: Books,
  struck: StruckFault[],
): Promise<void> {
  const possible = scene.possible(only);
  const plan = planOf({ seed, faults, only: possible });
  for (const [index, { fault, atShare }] of plan.entries()) {
    const place = BigInt(Math.floor(atShare * STRUCK_SHARE * books.events));
    await until(scene, () => scene.watch.reached >= place, `sequence ${place} to settle`);
    const inFlight = await untilInFlight(scene);
    const step = progress.step(`${index + 1}/${faults} ${describeFault(fault)}`);
    await strike(scene, fault, index);
    const [above, overMs] = [scene.watch.reached, performance.now()];
    signal.throwIfAborted();
    if (!(await scene.watch.moved(above, STUCK_MS_MAX)))
      throw new ChaosError(
        `nothing was settled for ${STUCK_MS_MAX / 1000} s after ${describeFault(fault)}; the watermark stayed at ${above}`,
      );
    const backToWorkMs = performance.now() - overMs;
    struck.push({ name: faultName(fault), ours: hitsOurs(fault), inFlight, backToWorkMs });
    step.done(`back to work after ${Math.round(backToWorkMs)} ms, ${inFlight} were in flight`);
  }
}

/** Waits until enough is in flight, by the ingest's own word. */
async function untilInFlight(scene: Scene): Promise<number> {
  let inFlight = 0;
  const isEnough = (): boolean => {
    const { progress } = scene;
    if (!progress || performance.now() - progress.atMs > FRESH_MS) return false;
    inFlight = progress.said.inFlight;
    return inFlight >= IN_FLIGHT_MIN;
  };
  await until(scene, isEnough, `${IN_FLIGHT_MIN} events to be in flight`);
  return inFlight;
}

/** Waits for a condition as long as anything settles, and a bounded time beyond. */
async function until(scene: Scene, condition: () => boolean, what: string): Promise<void> {
  const startedMs = performance.now();
  while (!condition()) {
    scene.options.signal.throwIfAborted();
    const halted = scene.progress?.said.halted[0];
    if (halted)
      throw new ChaosError(
        `partition ${halted.partition} is halted: ${JSON.stringify(halted.halt.conflict)}`,
      );
    const quietMs = performance.now() - Math.max(startedMs, scene.watch.movedAtMs);
    if (quietMs > STUCK_MS_MAX)
      throw new ChaosError(
        `nothing was settled for ${STUCK_MS_MAX / 1000} s while waiting for ${what}; the watermark is ${scene.watch.reached}`,
      );
    await sleep(20);
  }
}

async function untilSettled(scene: Scene, { events }: Books): Promise<void> {
  const step = scene.options.progress.step('Quiet');
  await until(scene, () => scene.watch.reached >= BigInt(events), `all ${events} events to settle`);
  step.done(`${scene.watch.reached} settled`);
}

/** Ends our processes as a person would. */
async function quieten({ ingest, workers, engine, options }: Scene): Promise<void> {
  const step = options.progress.step('Ending our processes');
  for (const some of [[ingest], [engine, ...workers]]) {
    const startedMs = performance.now();
    await Promise.all(some.map((one) => one.stop()));
    if (performance.now() - startedMs > END_MS_MAX)
      throw new ChaosError(
        `${some.map(({ name }) => name).join(', ')}: asked to end, took longer than ${END_MS_MAX / 1000} s although nothing was in flight`,
      );
  }
  step.done('ended');
}

async function verify(scene: Scene, oracle: string): Promise<{ findings: number; first?: string }> {
  const { progress, folder } = scene.options;
  const step = progress.step('Verifying');
  const child = new Child({
    args: ['verify', '--stream', STREAM, '--oracle', oracle, '--json'],
    env: scene.env,
    logPath: join(folder, 'logs', 'verify.log'),
  });
  const { code, stdout } = await child.ended;
  if (stdout.trim() === '')
    throw new ChaosError(`settled verify ended with exit code ${code}:\n${child.logTail}`);
  const report = JSON.parse(stdout) as { ok: boolean; findingsTotal: number; findings: { detail: string }[] };
  const first = report.findings[0]?.detail;
  const findings = report.ok ? 0 : Math.max(report.findingsTotal, 1);
  step.done(report.ok ? 'clean' : `${findings} findings`);
  return { findings, ...(first === undefined ? {} : { first }) };
}

async function count(scene: Scene, books: Books): Promise<Reckoning> {
  const step = scene.options.progress.step('Counting');
  const client = await connect(ledgerOptions(scene.config));
  try {
    const reckoning = await reckon(client, STREAM, books);
    step.done(`${reckoning.events} events, ${reckoning.lost} lost, ${reckoning.doubled} doubled`);
    return reckoning;
  } finally {
    await client.shutdown();
  }
}

function failureOf(findings: number, first: string | undefined, reckoning: Reckoning): string | undefined {
  const { lost, doubled, examples } = reckoning;
  if (lost + doubled > 0) return `${lost} lost, ${doubled} doubled: ${examples.join('; ')}`;
  return findings > 0 ? `${findings} findings, the first: ${first}` : undefined;
}
