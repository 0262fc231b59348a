/** The processes of a run: an engine, workers, ingests. Each may be killed, and comes back after a while. */
import type { IngestEnding } from '../../src/ingest/ingest.ts';
import { takeLease } from '../../src/ledger/leases.ts';
import type { Chunk } from '../../src/workflows/contract.ts';
import { simulatedClient } from './cassandra-client.ts';
import type { Database } from './database.ts';
import type { Engine } from './engine.ts';
import { EngineHost, type EngineHostOptions } from './engine-host.ts';
import { IngestHost } from './ingest-host.ts';
import type { Network } from './network.ts';
import type { Random } from './random.ts';
import { Process, type Scheduler } from './scheduler.ts';
import type { Settings } from './settings.ts';
import { STREAM } from './stored.ts';
import type { TemporalServer } from './temporal.ts';
import { WorkerHost } from './worker-host.ts';

/** What processes run on. */
export interface ProcessesOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly settings: Settings;
  readonly engine: Engine;
  readonly database: Database;
  readonly server: TemporalServer;
  readonly network: Network;
  readonly onSend: (chunk: Chunk) => void;
  /** Told how an ingest ended that was not killed. True: nobody is to start another. */
  readonly onIngestEnded: (how: IngestEnding | Error) => boolean;
  readonly trace: (text: () => string) => void;
}

/** All of them. */
export class Processes {
  readonly workers: WorkerHost[] = [];
  ingests: IngestHost[] = [];
  /** Name of the outbox that the engine has now. */
  outbox = 'outbox-1';
  /** What the engine has to say; one that begins anew has another story, and keeps to it. */
  story: EngineHostOptions['engine'];
  readonly #options: ProcessesOptions;
  #engine: EngineHost | undefined;
  #numbers = 0;

  constructor(options: ProcessesOptions) {
    this.#options = options;
    const { settings } = options;
    this.story = options.engine;
    this.#startEngine();
    for (let count = settings.workers; count > 0; count -= 1) this.workers.push(this.#worker(0));
    this.startIngest();
    if (settings.standby) this.startIngest();
  }

  /** An ingest that has the lease, or had it last. */
  get feeding(): IngestHost | undefined {
    return this.ingests.find(({ ingest, process }) => ingest && process.alive);
  }

  /** The last sequence that the engine may have said. */
  get lastPublished(): bigint {
    return this.#engine?.lastPublished ?? 0n;
  }

  /** The engine publishes what it stated since. */
  publish(): void {
    const { scheduler } = this.#options;
    const host = this.#engine;
    if (host)
      scheduler.in(host.process, 0, () => {
        host.publish();
      });
  }

  /** Starts the engine's process upon its outbox. */
  #startEngine(): void {
    const { scheduler, settings, trace } = this.#options;
    this.#engine = new EngineHost({
      scheduler,
      engine: this.story,
      trace,
      process: this.#process('engine'),
      folder: this.outbox,
      graceMs: settings.graceMs,
      eventsMax: settings.outboxEventsMax,
      sendHighWaterMark: settings.sendHighWaterMark,
    });
  }

  /** Kills the engine's process; another comes back, with the outbox and the story that it has then. */
  restartEngine(againMs: number): void {
    const { scheduler } = this.#options;
    const before = this.#engine;
    if (before) this.#kill(before.process);
    this.#engine = undefined;
    scheduler.in(scheduler.world, againMs, () => {
      if (!this.#engine) this.#startEngine();
    });
  }

  killWorker(worker: WorkerHost, againMs: number): void {
    this.#kill(worker.process);
    this.#options.server.unregister(worker);
    this.workers.splice(this.workers.indexOf(worker), 1, this.#worker(againMs));
  }

  killIngest(ingest: IngestHost, againMs: number): void {
    this.#kill(ingest.process);
    this.ingests = this.ingests.filter((one) => one !== ingest);
    this.#laterIngest(againMs);
  }

  /** Lets a second ingest come: by taking the lease from the first, or while the first is stopped. */
  secondIngest(byForce: boolean): void {
    const { scheduler, random, database, settings } = this.#options;
    const { feeding } = this;
    if (this.ingests.length < 3) this.startIngest();
    if (byForce) {
      const process = this.#process('repair');
      scheduler.in(process, 0, () => {
        const client = simulatedClient({ scheduler, random, database, process });
        takeLease(client, STREAM, 'repair').catch(() => undefined);
      });
    } else if (feeding)
      feeding.process.stalledUntilMs = scheduler.nowMs + settings.leaseMs * random.between(0.5, 2);
  }

  startIngest(): void {
    const { settings, server, database, onSend, trace } = this.#options;
    const host: IngestHost = new IngestHost({
      ...settings,
      server,
      database,
      onSend,
      trace,
      process: this.#process('ingest'),
      ended: (how) => {
        this.#ended(host, how);
      },
    });
    trace(() => `${host.process.name} starts`);
    this.ingests.push(host);
  }

  #ended(host: IngestHost, how: IngestEnding | Error): void {
    const { scheduler, random, network, trace, onIngestEnded } = this.#options;
    this.ingests = this.ingests.filter((one) => one !== host);
    host.process.alive = false;
    network.died(host.process);
    const text = how instanceof Error ? how.message : JSON.stringify(how.stop ?? how.kind);
    trace(() => `${host.process.name} ended: ${text}`);
    scheduler.current = scheduler.world;
    if (!onIngestEnded(how)) this.#laterIngest(random.between(50, 2_000));
  }

  #laterIngest(ms: number): void {
    const { scheduler } = this.#options;
    scheduler.in(scheduler.world, ms, () => {
      if (this.ingests.length === 0) this.startIngest();
    });
  }

  #worker(afterMs: number): WorkerHost {
    const { scheduler, server, database, settings } = this.#options;
    const process = this.#process('worker');
    const worker = new WorkerHost({
      server,
      database,
      process,
      attemptMs: settings.attemptMs,
      limits: settings.settlerLimits,
    });
    scheduler.in(scheduler.world, afterMs, () => {
      if (process.alive) server.register(worker);
    });
    return worker;
  }

  #kill(process: Process): void {
    process.alive = false;
    this.#options.network.died(process);
  }

  #process(name: string): Process {
    this.#numbers += 1;
    return new Process(`${name}-${this.#numbers}`);
  }
}
