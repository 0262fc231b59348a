/**
 * One seed: an engine, ingests, a Temporal, workers, a database and a network, all in one process on virtual time. For a
 * while events come and faults strike; then all is quiet, and what was stated must be settled within a bound. What held
 * and what did not is its outcome.
 */
import type { IngestEnding } from '../../src/ingest/ingest.ts';
import { takeLease } from '../../src/ledger/leases.ts';
import { PARTITION_LIMITS } from '../../src/workflows/contract.ts';
import { simulatedClient } from './cassandra-client.ts';
import { valueOf } from './cells.ts';
import { differencesAfterMisbehaviour, differencesAtEnd } from './check.ts';
import { Database } from './database.ts';
import { Engine } from './engine.ts';
import { Faults, type FaultKind } from './faults.ts';
import { IngestHost } from './ingest-host.ts';
import { runTo, useScheduler } from './machine.ts';
import { Market } from './market.ts';
import { Misconduct } from './misconduct.ts';
import { useNetwork } from './modules/zeromq.ts';
import { Monitor } from './monitor.ts';
import { Network } from './network.ts';
import { carryOut, drawPlan } from './plan.ts';
import { Random } from './random.ts';
import { Process, Scheduler } from './scheduler.ts';
import { durableWatermark, LEASE_PLACE, STREAM, STREAM_PLACE } from './stored.ts';
import { TemporalServer } from './temporal.ts';
import { Trace } from './trace.ts';
import { WorkerHost } from './worker-host.ts';

/** Events of a seed. */
const EVENTS_MIN = 200;
const EVENTS_MORE = 100;
/** All must be settled so long after the last fault, ms of virtual time. */
const QUIET_MS_MAX = 240_000;
/** Whatever is still on its way then lands: the batch log's time, and more, ms. */
const AFTERWARDS_MS = 32_000;
/** An engine sends again what is not settled for so long, ms. */
const RESEND_MS = 8_000;
/** No seed takes more steps: one that does goes in a circle. */
const STEPS_MAX = 3_000_000;
const MISCONDUCT_SHARE = 0.2;

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
  readonly monitor: Monitor;
  readonly workers: WorkerHost[] = [];
  readonly violations: string[] = [];
  readonly trace: Trace['add'];
  readonly misconduct: Misconduct | undefined;
  ingests: IngestHost[] = [];
  readonly #seed: number;
  readonly #trace: Trace;
  readonly #partitions: number;
  readonly #events: number;
  readonly #activeMs: number;
  readonly #settings: ReturnType<typeof drawSettings>;
  #processes = 0;
  #settledMs = Infinity;
  #lastWatermark = 0n;

  constructor(seed: number, keepTrace: boolean) {
    const { scheduler } = this;
    useScheduler(scheduler);
    this.#seed = seed;
    this.#trace = new Trace(scheduler, keepTrace);
    this.trace = (text) => {
      this.#trace.add(text);
    };
    this.random = new Random(seed, 1);
    const { random, trace } = this;
    this.faults = new Faults(new Random(seed, 2));
    const draw = new Random(seed, 3);
    const stampless = draw.chance(0.2);
    this.#events = EVENTS_MIN + draw.below(EVENTS_MORE);
    this.#activeMs = draw.pick([5_000, 20_000, 60_000]) * draw.between(0.7, 1.3);
    this.#partitions = 1 + draw.below(4);
    this.#settings = drawSettings(draw);
    this.engine = new Engine(
      new Market(new Random(seed, 4), 2 + draw.below(7), stampless),
      new Random(seed, 5),
    );
    const violation = (what: string): void => {
      if (this.violations.length < 20) this.violations.push(what);
      trace(() => `VIOLATION ${what}`);
    };
    this.monitor = new Monitor({ engine: this.engine, stampless, database: () => this.database, violation });
    const { faults, monitor } = this;
    this.database = new Database({
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
      onKill: (process) => {
        const worker = this.workers.find((one) => one.process === process);
        if (worker) this.killWorker(worker, random.between(20, 8_000));
      },
      onWrite: (mutations) => {
        const [first] = mutations;
        if (first?.partition !== STREAM_PLACE[0]) return;
        const watermark = valueOf(first.row, 'watermark') as bigint | undefined;
        if (watermark !== undefined) monitor.watermarkWritten(watermark);
      },
    });
    const onFault = (error: unknown): void => {
      violation(`a fault of the workflow's own code: ${String(error)}`);
    };
    this.server = new TemporalServer({ scheduler, random, faults, trace, onFault });
    this.network = new Network({
      scheduler,
      random,
      trace,
      engine: this.engine,
      settledUpTo: () => durableWatermark(this.database),
      onAsked: (process) => {
        const host = this.ingests.find((one) => one.process === process);
        if (host?.ingest) monitor.acknowledged(BigInt(host.ingest.progress.watermark));
      },
    });
    useNetwork(this.network);
    if (draw.chance(MISCONDUCT_SHARE)) this.misconduct = new Misconduct(this, new Random(seed, 6));
    this.#planAll(draw);
  }

  /** Runs it to its end. */
  async run(): Promise<Outcome> {
    const { scheduler, engine } = this;
    await runTo(scheduler, () => this.#isOver());
    if (scheduler.steps >= STEPS_MAX) this.violations.push(`it goes in a circle: ${STEPS_MAX} steps`);
    this.violations.push(...this.#differences());
    return {
      seed: this.#seed,
      violations: this.violations,
      struck: this.faults.struck,
      events: engine.stated.length,
      steps: scheduler.steps,
      virtualMs: scheduler.elapsedMs,
      traceDigest: this.#trace.digest,
      trace: this.#trace.lines,
    };
  }

  /** The ingest that has the lease and feeds, if one does. */
  get feeding(): IngestHost | undefined {
    return this.ingests.find(({ ingest, process }) => ingest && process.alive);
  }

  killWorker(worker: WorkerHost, againMs: number): void {
    worker.process.alive = false;
    this.server.unregister(worker);
    this.workers.splice(this.workers.indexOf(worker), 1, this.#worker(againMs));
  }

  killIngest(ingest: IngestHost, againMs: number): void {
    ingest.process.alive = false;
    this.ingests = this.ingests.filter((one) => one !== ingest);
    this.#laterIngest(againMs);
  }

  /** Lets a second ingest come: by taking the lease from the first, or while the first is stopped. */
  secondIngest(byForce: boolean): void {
    const { scheduler, random, database } = this;
    const { feeding } = this;
    this.startIngest();
    if (byForce) {
      const process = this.process('repair');
      scheduler.in(process, 0, () => {
        const client = simulatedClient({ scheduler, random, database, process });
        takeLease(client, STREAM, 'repair').catch(() => undefined);
      });
    } else if (feeding) {
      const { leaseMs } = this.#settings;
      feeding.process.stalledUntilMs = scheduler.nowMs + leaseMs * random.between(0.5, 2);
    }
  }

  process(name: string): Process {
    this.#processes += 1;
    return new Process(`${name}-${this.#processes}`);
  }

  startIngest(): void {
    const { leaseMs, limits, maxInFlightEvents, chunkEventsMax } = this.#settings;
    const host: IngestHost = new IngestHost({
      server: this.server,
      database: this.database,
      process: this.process('ingest'),
      partitions: this.#partitions,
      maxInFlightEvents,
      chunkEventsMax,
      limits,
      leaseMs,
      trace: this.trace,
      onSend: (chunk) => {
        this.monitor.sent(chunk);
      },
      ended: (how) => {
        this.#ended(host, how);
      },
    });
    this.trace(() => `${host.process.name} starts`);
    this.ingests.push(host);
  }

  #planAll(draw: Random): void {
    const { scheduler, faults, engine, network } = this;
    for (let count = 1 + draw.below(3); count > 0; count -= 1) this.workers.push(this.#worker(0));
    this.startIngest();
    const bursts = 1 + draw.below(20);
    let left = this.#events;
    for (let burst = bursts; burst > 0; burst -= 1) {
      const size = burst === 1 ? left : draw.below((2 * left) / burst);
      left -= size;
      scheduler.after(draw.between(0, 0.9) * this.#activeMs, () => {
        for (let at = 0; at < size; at += 1) engine.next();
        network.pumpAll();
      });
    }
    for (const { ms, kind } of drawPlan(draw, this.#activeMs))
      scheduler.after(ms, () => {
        carryOut(kind, this, faults);
      });
    scheduler.after(this.#activeMs, () => {
      this.#quieten();
    });
    this.misconduct?.plan(this.#activeMs);
    this.#followWatermark();
  }

  /** No more faults: whoever is stopped or away comes back now. */
  #quieten(): void {
    const { scheduler, database, server } = this;
    const { nowMs } = scheduler;
    this.trace(() => 'all is quiet from now on');
    this.faults.active = false;
    database.awayUntilMs = Math.min(database.awayUntilMs, nowMs);
    server.awayUntilMs = Math.min(server.awayUntilMs, nowMs);
    for (const replica of database.replicas) replica.downUntilMs = Math.min(replica.downUntilMs, nowMs);
  }

  /** The engine sends again what stays unsettled: the end of a stream that was lost is followed by nothing that tells. */
  #followWatermark(): void {
    const { scheduler, network, database } = this;
    const watermark = durableWatermark(database);
    if (watermark === this.#lastWatermark && watermark < this.engine.lastStated)
      for (const connection of network.connections)
        if (connection.cursor !== undefined && connection.cursor > this.engine.lastStated)
          network.resend(connection);
    this.#lastWatermark = watermark;
    scheduler.in(scheduler.world, RESEND_MS, () => {
      this.#followWatermark();
    });
  }

  #worker(afterMs: number): WorkerHost {
    const { scheduler, server, database } = this;
    const { attemptMs, settlerLimits } = this.#settings;
    const process = this.process('worker');
    const worker = new WorkerHost({
      server,
      database,
      process,
      partitions: this.#partitions,
      attemptMs,
      limits: settlerLimits,
    });
    scheduler.in(scheduler.world, afterMs, () => {
      if (process.alive) server.register(worker);
    });
    return worker;
  }

  #ended(host: IngestHost, how: IngestEnding | Error): void {
    const { scheduler, trace } = this;
    this.ingests = this.ingests.filter((one) => one !== host);
    host.process.alive = false;
    trace(
      () =>
        `${host.process.name} ended: ${how instanceof Error ? how.message : JSON.stringify(how.stop ?? how.kind)}`,
    );
    const stop = how instanceof Error ? undefined : how.stop;
    if (stop && this.misconduct?.explains(stop)) return;
    const ordinary = ['hole', 'lease-lost', 'lease-expired'];
    if (stop && !ordinary.includes(stop.reason) && this.misconduct?.begun !== true)
      this.violations.push(
        `the stream stopped though nothing is wrong: ${stop.reason} at ${stop.sequence}: ${stop.message}`,
      );
    scheduler.current = scheduler.world;
    if (this.ingests.length === 0) this.#laterIngest(this.random.between(50, 2_000));
  }

  #laterIngest(ms: number): void {
    const { scheduler } = this;
    scheduler.in(scheduler.world, ms, () => {
      if (this.ingests.length === 0) this.startIngest();
    });
  }

  #isOver(): boolean {
    const { scheduler, misconduct } = this;
    if (scheduler.steps >= STEPS_MAX) return true;
    const { elapsedMs } = scheduler;
    if (this.violations.length > 0 && elapsedMs > this.#activeMs) return true;
    if (elapsedMs < this.#activeMs || misconduct?.isPending === true) return false;
    if (this.#settledMs === Infinity) {
      const isDone = misconduct?.isFound() ?? durableWatermark(this.database) >= this.engine.lastStated;
      if (isDone) this.#settledMs = elapsedMs;
    }
    return elapsedMs > Math.min(this.#settledMs + AFTERWARDS_MS, this.#activeMs + QUIET_MS_MAX);
  }

  #differences(): string[] {
    const { database, engine, misconduct } = this;
    if (this.violations.length > 0) return [];
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

/** Sizes and times of a seed: small ones, so that bounds are met. */
function drawSettings(draw: Random) {
  return {
    maxInFlightEvents: draw.pick([20, 100, 1_000]),
    chunkEventsMax: draw.pick([3, 20, 1_000]),
    leaseMs: draw.pick([2_000, 5_000, 10_000]),
    attemptMs: draw.pick([2_000, 5_000, 10_000]),
    limits: {
      ...PARTITION_LIMITS,
      updatesPerRunMax: draw.pick([12, 40, 1_500]),
      updateMsMax: draw.pick([5_000, 30_000]),
      attemptsMax: draw.pick([3, 12]),
      heartbeatMsMax: draw.pick([1_000, 4_000]),
    },
    settlerLimits: {
      groupEventsMax: draw.pick([2, 10, 100]),
      batchesInFlightMax: draw.pick([2, 8]),
      writeMsMax: draw.pick([4_000, 60_000]),
    },
  };
}
