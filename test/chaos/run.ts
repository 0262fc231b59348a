/**
 * A run: the scene is set, fault after fault strikes while at least a thousand events are in flight, then the engine is told
 * where its stream ends, it is quiet, and what the database holds is held against the engine's books.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../../src/logging/reason-of.ts';
import { accountOf, inALine } from './account.ts';
import type { SimulationOptions } from '../../src/simulator/options.ts';
import { loadConfig } from '../../src/config/index.ts';
import { prepareStack, stackOptions, type Progress } from '../../src/stack/index.ts';
import { keepBooks, tradesBeyond, type Books } from './books.ts';
import { ChaosError, Patience } from './patience.ts';
import { describeFault, faultName, hitsOurs, planOf } from './plan.ts';
import { count, failureOf, verify } from './proof.ts';
import type { Reckoning } from './reckoning.ts';
import { tally, type ChaosReport, type StruckFault } from './report.ts';
import { Scene } from './scene.ts';
import { strike } from './strike.ts';
import type { Endings } from './supervised.ts';
import { STUCK_MS_MAX, until, untilInFlight } from './waiting.ts';

/** What to run. */
export interface RunOptions {
  readonly faults: number;
  readonly seed: number;
  readonly nodes: 1 | 3;
  readonly workers: 1 | 2;
  readonly only?: readonly string[];
  /** Events between two faults, on average. */
  readonly eventsBetween: number;
  /** The run fails where it takes longer, ms; ending the scene comes on top. */
  readonly msMax: number;
  readonly folder: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Servers, links and processes are up within so long, ms. */
const SET_MS_MAX = 240_000;
/** Events settle at least so fast between two faults, ms each; what the fault before left behind comes on top. */
const EVENT_MS_MAX = 10;
/** A fault lasts half a minute at most, a server that is started again the rest, ms. */
const STRIKE_MS_MAX = 120_000;
/** The rest of the stream when no fault strikes any more, an outbox full at most, ms. */
const REST_MS_MAX = 180_000;
const STOP_MS_MAX = 60_000;
/** One of our processes that has nothing in flight ends within so long of being asked to, ms. */
const END_MS_MAX = 15_000;
/** Servers may take half a minute to stop, ms. */
const END_SCENE_MS_MAX = 60_000;
const SCENARIO = 'random';
const USERS = 200;
/** While faults strike, the stream has no end. */
const ENDLESS_TRADES = 1_000_000_000;

/** Runs, whatever comes of it; the report says. @throws only if the scene can't be set, or it is interrupted */
export async function run(options: RunOptions): Promise<ChaosReport> {
  const { seed, nodes, workers, folder, progress, msMax } = options;
  // What is built once for a machine takes longer than any bound of a run.
  await prepareStack({ ...stackOptions(loadConfig(process.env)), progress, signal: options.signal });
  const startedMs = performance.now();
  const oracle = join(folder, 'oracle.json');
  let scene: Scene | undefined;
  const told = (): string => (scene ? inALine(scene) : 'the scene is not set');
  const patience = new Patience({ msMax, signal: options.signal, progress, told });
  const struck: StruckFault[] = [];
  let failure: string | undefined;
  let reckoning: Reckoning = { events: 0, lost: 0, doubled: 0, examples: [] };
  let findings = 0;
  try {
    scene = await setScene(options, patience);
    try {
      await strikeAll(scene, options, patience, struck);
      const books = await endStream(scene, options, patience, oracle);
      await untilSettled(scene, patience, books);
      await quieten(scene, patience);
      const verified = await verify(scene, patience, oracle, books);
      findings = verified.findings;
      reckoning = await count(scene, patience, books);
      failure = failureOf(findings, verified.first, reckoning, endingsOf(scene));
    } catch (error) {
      options.signal.throwIfAborted();
      failure = reasonOf(error);
      for (const line of accountOf(scene)) progress.note(line);
    }
  } finally {
    patience.end();
    if (scene) await endScene(scene);
  }
  return {
    seed,
    nodes,
    workers,
    ...tally(struck),
    events: reckoning.events,
    lost: reckoning.lost,
    doubled: reckoning.doubled,
    findings,
    endings: endingsOf(scene),
    links: Object.fromEntries([...scene.proxies].map(([link, [proxy]]) => [link, { ...proxy!.counts }])),
    leftOut: scene.disk ? [] : ['full-disk'],
    seconds: Math.round((performance.now() - startedMs) / 1000),
    ...(failure === undefined ? {} : { failure }),
    ok: failure === undefined,
  };
}

/** How each process of ours ended by itself, of those that did. */
function endingsOf({ engine, ingest, workers }: Scene): Record<string, Endings> {
  const all = [engine, ingest, ...workers].map(({ name, endings }) => [name, endings] as const);
  return Object.fromEntries(all.filter(([, how]) => Object.keys(how).length > 0));
}

function setScene(options: RunOptions, patience: Patience): Promise<Scene> {
  const { folder, seed, nodes, workers, progress } = options;
  const step = progress.step('Setting the scene', { slow: true });
  const simulateArgs = simulateArgsOf(seed, ENDLESS_TRADES);
  const { signal } = patience;
  return patience.within('the scene to be set', SET_MS_MAX, async () => {
    const scene = await Scene.set({ folder, seed, nodes, workers, simulateArgs, progress, signal });
    step.done('set');
    return scene;
  });
}

function simulateArgsOf(seed: number, trades: number): string[] {
  return [`--scenario=${SCENARIO}`, `--seed=${seed}`, `--trades=${trades}`, `--users=${USERS}`];
}

async function strikeAll(
  scene: Scene,
  { seed, faults, only, eventsBetween, progress }: RunOptions,
  patience: Patience,
  struck: StruckFault[],
): Promise<void> {
  const plan = planOf({ seed, faults, eventsBetween, only: scene.possible(only) });
  let over = 0n;
  for (const [index, { fault, afterEvents }] of plan.entries()) {
    const place = over + BigInt(afterEvents);
    await until(
      scene,
      patience,
      () => scene.watch.reached >= place,
      `sequence ${place} to settle`,
      STUCK_MS_MAX + afterEvents * EVENT_MS_MAX,
    );
    const inFlight = await untilInFlight(scene, patience);
    const what = describeFault(fault);
    const step = progress.step(`${index + 1}/${faults} ${what}`);
    await patience.within(`${what} to be over`, STRIKE_MS_MAX, () =>
      strike(scene, fault, index, patience.signal),
    );
    const [above, overMs] = [scene.watch.reached, performance.now()];
    await until(scene, patience, () => scene.watch.reached > above, `work after ${what}`, STUCK_MS_MAX);
    const backToWorkMs = performance.now() - overMs;
    over = scene.watch.reached;
    struck.push({ name: faultName(fault), ours: hitsOurs(fault), inFlight, backToWorkMs });
    step.done(`back to work after ${Math.round(backToWorkMs)} ms, ${inFlight} were in flight`);
  }
}

/**
 * Ends the engine's stream beyond what it has published: so it lasts exactly as long as the faults, and its books can be
 * kept.
 */
async function endStream(
  scene: Scene,
  { seed, progress }: RunOptions,
  patience: Patience,
  oracle: string,
): Promise<Books> {
  const step = progress.step('Ending the stream');
  const published = await patience.within('the engine to be gone', STOP_MS_MAX, () => scene.killEngine());
  const stream: Omit<SimulationOptions, 'trades'> = { scenario: SCENARIO, seed, users: USERS };
  const trades = tradesBeyond(published, stream);
  const books = await keepBooks({ ...stream, trades }, oracle);
  scene.startEngine(simulateArgsOf(seed, trades));
  step.done(`it has ${books.events} events, ${published} of them published, ${scene.watch.reached} settled`);
  return books;
}

async function untilSettled(scene: Scene, patience: Patience, { events }: Books): Promise<void> {
  const step = scene.options.progress.step('Quiet');
  await until(
    scene,
    patience,
    () => scene.watch.reached >= BigInt(events),
    `all ${events} events to settle`,
    REST_MS_MAX,
  );
  step.done(`${scene.watch.reached} settled`);
}

/** Ends our processes as a person would. */
async function quieten({ ingest, workers, engine, options }: Scene, patience: Patience): Promise<void> {
  const step = options.progress.step('Ending our processes');
  for (const some of [[ingest], [engine, ...workers]]) {
    const startedMs = performance.now();
    const names = some.map(({ name }) => name).join(', ');
    await patience.within(`${names} to end`, STOP_MS_MAX, () => Promise.all(some.map((one) => one.stop())));
    if (performance.now() - startedMs > END_MS_MAX)
      throw new ChaosError(
        `${names}: asked to end, took longer than ${END_MS_MAX / 1000} s although nothing was in flight`,
      );
  }
  step.done('ended');
}

/** Ends it, or gives up: what is left ends with this process, by its channel or its watchdog. */
async function endScene(scene: Scene): Promise<void> {
  const step = scene.options.progress.step('Ending the scene');
  const ending = scene.end().then(() => 'ended');
  const late = sleep(END_SCENE_MS_MAX, `not ended after ${END_SCENE_MS_MAX / 1000} s`, { ref: false });
  step.done(await Promise.race([ending, late]));
}
