/**
 * One seed: an engine, ingests, a Temporal, workers, a database and a network, all in one process on virtual time. For a
 * while events come and faults strike; then all is quiet, and what was stated must be settled within a bound. What held
 * and what did not is its outcome.
 */
import type { IngestEnding } from '../../src/ingest/ingest.ts';
import type { ConflictReport } from '../../src/workflows/contract.ts';
import { decodeControl } from '../../src/wire/control.ts';
import { valueOf } from './cells.ts';
import { differencesAfterMisbehaviour, differencesAtEnd } from './check.ts';
import { Database } from './database.ts';
import { Engine } from './engine.ts';
import { Faults, type FaultKind } from './faults.ts';
import { runTo, useScheduler } from './machine.ts';
import { Market } from './market.ts';
import { Misconduct } from './misconduct.ts';
import { Disk, useDisk } from './modules/classic-level.ts';
import { useNetwork } from './modules/zeromq.ts';
import { Monitor } from './monitor.ts';
import { Network } from './network.ts';
import { carryOut, drawPlan } from './plan.ts';
import { Processes } from './processes.ts';
import { Random } from './random.ts';
import { Scheduler, type Process } from './scheduler.ts';
import { drawSettings, type Settings } from './settings.ts';
import { durableWatermark, LEASE_PLACE, STREAM_PLACE } from './stored.ts';
import { TemporalServer } from './temporal.ts';
import { Trace } from './trace.ts';

/** All must be settled so long after the last fault, ms of virtual time. */
const QUIET_MS_MAX = 240_000;
/** Whatever is still on its way then lands: the batch log's time, and more, ms. */
const AFTERWARDS_MS = 32_000;
/** No seed takes more steps: one that does goes in a circle. */
const STEPS_MAX = 3_000_000;
/** Whether it is over is asked once in so many steps. */
const STEPS_PER_LOOK = 16;
const MISCONDUCT_SHARE = 0.2;
const VIOLATIONS_MAX = 20;

/** How a seed ended. */
export interface Outcome {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly struck: ReadonlyMap<FaultKind, number>;
  readonly events: number;
  readonly steps: number;
  readonly virtualMs: number;
  readonly traceDigest: string;
  readonly trace: readonly string[];
}

/** One run. */
export class Simulation {
  readonly scheduler = new Scheduler();
  readonly random: Random;
  readonly faults: Faults;
  readonly engine: Engine;
  readonly database: Database;
  readonly server: TemporalServer;
  readonly network: Network;
  readonly disk: Disk;
  readonly monitor: Monitor;
  readonly processes: Processes;
  readonly trace: Trace['add'];
  readonly #violations: string[] = [];
  readonly #misconduct: Misconduct | undefined;
  readonly #seed: number;
  readonly #trace: Trace;
  readonly #settings: Settings;
  #settledMs = Infinity;
  #isOverNow = false;

  constructor(seed: number, keepTrace: boolean) {
    const { scheduler } = this;
    useScheduler(scheduler);
    this.#seed = seed;
    this.#trace = new Trace(scheduler, keepTrace);
    this.trace = (text) => {
      this.#trace.add(text);
    };
    const draw = new Random(seed, 3);
    const settings = drawSettings(draw);
    this.#settings = settings;
    this.random = new Random(seed, 1);
    this.faults = new Faults(new Random(seed, 2));
    const { random, faults, trace } = this;
    const market = new Market(new Random(seed, 4), settings.users, settings.stampless);
    this.engine = new Engine(market, new Random(seed, 5));
    const { engine } = this;
    this.monitor = new Monitor({
      engine,
      stampless: settings.stampless,
      database: () => this.database,
      violation: (what) => {
        this.#violated(what);
      },
    });
    this.database = this.#newDatabase();
    const onFault = (error: unknown): void => {
      this.#violated(`a fault of the workflow's own code: ${String(error)}`);
    };
    const onConflict = (conflict: ConflictReport): void => {
      // A halt for doubt ends by itself, so an end alone would not show that it was without reason.
      if (this.#misconduct?.explainsConflict(conflict) !== true)
        this.#violated(`conflict though nothing is wrong: ${JSON.stringify(conflict)}`);
    };
    this.server = new TemporalServer({ scheduler, random, faults, trace, onFault, onConflict });
    this.network = this.#newNetwork();
    this.disk = new Disk(scheduler, settings.diskMs);
    useNetwork(this.network);
    useDisk(this.disk);
    const { database, server, network, monitor } = this;
    this.processes = new Processes({
      scheduler,
      random,
      settings,
      engine,
      database,
      server,
      network,
      trace,
      onSend: (chunk) => {
        monitor.sent(chunk);
      },
      onIngestEnded: (how) => this.#ingestEnded(how),
    });
    if (draw.chance(MISCONDUCT_SHARE)) this.#misconduct = new Misconduct(this, new Random(seed, 6));
    this.#plan(draw);
  }

  /** Runs it to its end. */
  async run(): Promise<Outcome> {
    const { scheduler, engine, faults } = this;
    await runTo(scheduler, () => this.#isOver());
    if (scheduler.steps >= STEPS_MAX) this.#violated(`it goes in a circle: ${STEPS_MAX} steps`);
    if (this.#violations.length === 0) this.#violations.push(...this.#differences());
    if (engine.stated.length < 200 || faults.total < 3)
      this.#violated(`the seed is too easy: ${engine.stated.length} events, ${faults.total} faults`);
    return {
      seed: this.#seed,
      violations: this.#violations,
      struck: faults.struck,
      events: engine.stated.length,
      steps: scheduler.steps,
      virtualMs: scheduler.elapsedMs,
      traceDigest: this.#trace.digest,
      trace: this.#trace.lines,
    };
  }

  #violated(what: string): void {
    if (this.#violations.length < VIOLATIONS_MAX) this.#violations.push(what);
    this.trace(() => `VIOLATION ${what}`);
  }

  #newDatabase(): Database {
    const { scheduler, random, faults, monitor, trace } = this;
    return new Database({
      scheduler,
      random,
      faults,
      trace,
      onTie: (...tie) => {
        monitor.tie(...tie);
      },
      onTransaction: (partition) => {
        if (partition === LEASE_PLACE[0]) monitor.leaseTaken();
      },
      onKill: (process, againMsMax = 8_000) => {
        const worker = this.processes.workers.find((one) => one.process === process);
        if (worker) this.processes.killWorker(worker, random.between(20, againMsMax));
      },
      onWrite: ([first]) => {
        if (first?.partition !== STREAM_PLACE[0]) return;
        const watermark = valueOf(first.row, 'watermark') as bigint | undefined;
        if (watermark !== undefined) monitor.watermarkWritten(watermark);
      },
    });
  }

  #newNetwork(): Network {
    const { scheduler, random, monitor, trace } = this;
    return new Network({
      scheduler,
      random,
      trace,
      onAsked: (process: Process) => {
        const host = this.processes.ingests.find((one) => one.process === process);
        if (host?.ingest) monitor.acknowledged(BigInt(host.ingest.progress.watermark));
      },
      onControl: (frames) => {
        const decoded = decodeControl(frames);
        trace(() => `control: ${frames.join(' ')}`);
        if (decoded.kind === 'message' && decoded.message.type === 'settled')
          monitor.acknowledged(decoded.message.upTo);
      },
    });
  }

  #plan(draw: Random): void {
    const { scheduler, faults, engine, processes } = this;
    const { activeMs, bursts, events } = this.#settings;
    let left = events;
    for (let burst = bursts; burst > 0; burst -= 1) {
      const size = burst === 1 ? left : draw.below((2 * left) / burst);
      left -= size;
      scheduler.after(draw.between(0, 0.9) * activeMs, () => {
        for (let at = 0; at < size; at += 1) engine.next();
        processes.publish();
      });
    }
    for (const { ms, kind } of drawPlan(draw, activeMs))
      scheduler.after(ms, () => {
        carryOut(kind, this, faults);
      });
    scheduler.after(activeMs, () => {
      this.#quieten();
    });
    this.#misconduct?.plan(activeMs);
  }

  /** No more faults: whoever is away comes back now. */
  #quieten(): void {
    const { scheduler, database, server, network } = this;
    const { nowMs } = scheduler;
    this.trace(() => 'all is quiet from now on');
    this.faults.active = false;
    network.loseNext = false;
    database.wholeLateNext = false;
    database.awayUntilMs = Math.min(database.awayUntilMs, nowMs);
    server.awayUntilMs = Math.min(server.awayUntilMs, nowMs);
    for (const replica of database.replicas) replica.downUntilMs = Math.min(replica.downUntilMs, nowMs);
  }

  /** True: nobody is to start another ingest, since it would stop again. */
  #ingestEnded(how: IngestEnding | Error): boolean {
    if (isOwnFault(how))
      this.#violated(`an ingest ended with a fault of its own code: ${how.stack ?? how.message}`);
    const stop = how instanceof Error ? undefined : how.stop;
    if (!stop) return false;
    if (this.#misconduct?.explains(stop)) return true;
    const isOrdinary = stop.reason === 'lease-lost' || stop.reason === 'lease-expired';
    if (!isOrdinary) {
      const though = this.#misconduct?.isHarmful ? this.#misconduct.kind : 'nothing';
      this.#violated(
        `the stream stopped though ${though} is wrong: ${stop.reason} at ${stop.sequence}: ${stop.message}`,
      );
    }
    return false;
  }

  #isOver(): boolean {
    const { steps } = this.scheduler;
    if (steps % STEPS_PER_LOOK === 0) this.#isOverNow ||= this.#look(steps);
    return this.#isOverNow;
  }

  #look(steps: number): boolean {
    const { elapsedMs } = this.scheduler;
    const { activeMs } = this.#settings;
    const misconduct = this.#misconduct;
    if (steps >= STEPS_MAX || this.#violations.length > 0) return true;
    if (elapsedMs < activeMs || misconduct?.isPending === true) return false;
    if (this.#settledMs === Infinity) {
      const isDone = misconduct?.isFound() ?? durableWatermark(this.database) >= this.engine.lastStated;
      if (isDone) this.#settledMs = elapsedMs;
    }
    return elapsedMs > Math.min(this.#settledMs + AFTERWARDS_MS, activeMs + QUIET_MS_MAX);
  }

  #differences(): string[] {
    const { database, engine } = this;
    const misconduct = this.#misconduct;
    if (misconduct?.isHarmful) {
      const missed = misconduct.isFound() ? [] : [`misbehaviour was not found: ${misconduct.kind}`];
      return [...missed, ...differencesAfterMisbehaviour(database, engine, misconduct.foreign)];
    }
    const watermark = durableWatermark(database);
    const late =
      watermark < engine.lastStated
        ? [
            `liveness: ${QUIET_MS_MAX} ms after the last fault the watermark is ${watermark} of ${engine.lastStated}`,
          ]
        : [];
    return [...late, ...this.#haltsWithoutReason(), ...differencesAtEnd(database, engine)];
  }

  #haltsWithoutReason(): string[] {
    return [...this.server.runs.values()].flatMap((run) => {
      const { halt } = run.status();
      return halt ? [`conflict though nothing is wrong: ${JSON.stringify(halt.conflict)}`] : [];
    });
  }
}

/** True for what no server and no network can bring about. */
function isOwnFault(how: unknown): how is Error {
  return [TypeError, RangeError, ReferenceError].some((kind) => how instanceof kind);
}
