/**
 * A whole stream under test: the real servers, a worker in this process, and an ingest fed over a real socket by a
 * stand-in for an engine. A test file has one keyspace, emptied between tests; each test has a stream of its own.
 */
import { Client, Connection } from '@temporalio/client';
import {
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  type Worker,
} from '@temporalio/worker';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inject } from 'vitest';
import type * as _globalSetup from '../global-setup.ts';
import { audit } from '../../src/audit/index.ts';
import type { OracleFile } from '../../src/audit/index.ts';
import { workerActivities } from '../../src/cli/worker-activities.ts';
import { createPartitionWorker } from '../../src/cli/worker-host.ts';
import { workflowBundle } from '../../src/cli/workflow-bundle.ts';
import { Ingest, type IngestEnding, type IngestOptions } from '../../src/ingest/ingest.ts';
import { standBy } from '../../src/ingest/lease-standby.ts';
import type { HeldLease, LeaseKeeper } from '../../src/ingest/lease.ts';
import { takeLease } from '../../src/ledger/leases.ts';
import { readRejected, type RejectedMessage } from '../../src/ledger/rejected.ts';
import { CassandraStorage } from '../../src/ledger/storage.ts';
import { readStream, type StreamRecord } from '../../src/ledger/streams.ts';
import type { Logger } from '../../src/logging/index.ts';
import { Publisher, type PublisherNotice, type PublisherOptions } from '../../src/publisher/index.ts';
import { PushPublisher, type Frames, type PushPublisherOptions } from '../../src/publisher/push.ts';
import { Settler } from '../../src/settlement/settler.ts';
import type { SettlerPort } from '../../src/settlement/settle-request.ts';
import type { SettlerLimits } from '../../src/settlement/limits.ts';
import type { SimulationOptions } from '../../src/simulator/options.ts';
import { Simulation } from '../../src/simulator/simulation.ts';
import { encodeMessage } from '../../src/wire/encode.ts';
import { partitionWorkflowId, UPDATES_IN_FLIGHT_MAX } from '../../src/workflows/contract.ts';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';

Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR' }) } },
});

export const PARTITIONS = 4;
const WAIT_MS_MAX = 60_000;
/** The end of a connection arrives within milliseconds. */
const PEER_GONE_MS_MAX = 2_000;

/** A line of the log. */
export interface Logged {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A stream as an engine sends it, and the books that it must lead to. */
export interface SimulatedStream {
  readonly messages: readonly Frames[];
  readonly oracle: OracleFile;
  readonly trades: number;
}

/** Simulates a stream. */
export function simulated(options: SimulationOptions = {}): SimulatedStream {
  const simulation = new Simulation(options);
  const messages = [...simulation.events()].map((message) => encodeMessage(message));
  const { counts, balances } = simulation.oracle();
  return { messages, oracle: { counts: { ...counts }, balances: [...balances] }, trades: counts.TRADE ?? 0 };
}

/** Resolves when a condition holds. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  msMax = WAIT_MS_MAX,
): Promise<void> {
  const deadline = Date.now() + msMax;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${msMax / 1000} s in vain until ${what}`);
    await sleep(20);
  }
}

/** An ingest that runs. */
export class RunningIngest {
  readonly ingest: Ingest;
  readonly logs: readonly Logged[];
  readonly ended: Promise<IngestEnding>;

  constructor(ingest: Ingest, logs: readonly Logged[], release: () => Promise<void>) {
    this.ingest = ingest;
    this.logs = logs;
    this.ended = this.#run(release);
    // Awaited by the test, or a failure of it.
    this.ended.catch(() => undefined);
  }

  async #run(release: () => Promise<void>): Promise<IngestEnding> {
    try {
      return await this.ingest.run();
    } finally {
      await release();
    }
  }

  /** The log's lines with this message. */
  said(message: string): Logged[] {
    return this.logs.filter((line) => line.message.startsWith(message));
  }

  async untilSettled(watermark: number): Promise<void> {
    await until(`the watermark is ${watermark}`, () => this.ingest.progress.watermark === `${watermark}`);
  }

  async close(): Promise<IngestEnding> {
    this.ingest.close();
    return this.ended;
  }
}

/** Everything that a test file shares. */
export class Rig {
  readonly database: TestDatabase;
  readonly temporal: Client;
  readonly taskQueue = `t-${randomUUID().slice(0, 13)}`;
  readonly #native: NativeConnection;
  readonly #publishers: { close(): Promise<unknown> }[] = [];
  readonly #ingests: RunningIngest[] = [];
  readonly #folders: string[] = [];
  /** Ingests that were opened, by the endpoint of the engine that they connect to. */
  readonly #connected = new Map<string, number>();
  #streams: string[] = [];
  #worker: Worker | undefined;
  #working: Promise<void> | undefined;
  #bundle: Awaited<ReturnType<typeof workflowBundle>> | undefined;

  private constructor(database: TestDatabase, temporal: Client, native: NativeConnection) {
    this.database = database;
    this.temporal = temporal;
    this.#native = native;
  }

  static async start(): Promise<Rig> {
    const address = temporalAddress();
    const [database, connection, native] = await Promise.all([
      freshKeyspace(),
      Connection.connect({ address }),
      NativeConnection.connect({ address }),
    ]);
    return new Rig(database, new Client({ connection }), native);
  }

  async startWorker(limits: Partial<SettlerLimits> = {}, settler?: SettlerPort): Promise<void> {
    const { client } = this.database;
    const storage = new CassandraStorage(client);
    this.#bundle ??= await workflowBundle();
    this.#worker = await createPartitionWorker({
      connection: this.#native,
      namespace: 'default',
      taskQueue: this.taskQueue,
      partitions: PARTITIONS,
      updatesInFlight: UPDATES_IN_FLIGHT_MAX,
      workflowBundle: this.#bundle,
      shutdownGraceMs: 200,
      activities: workerActivities({
        cassandra: client,
        storage,
        settler: settler ?? new Settler({ storage, limits }),
        attemptMs: 2_000,
      }),
    });
    this.#working = this.#worker.run();
  }

  async stopWorker(): Promise<void> {
    if (this.#worker?.getState() === 'RUNNING') this.#worker.shutdown();
    await this.#working;
    this.#worker = undefined;
  }

  /** The environment of a command of ours that works on the same servers and keyspace. */
  env(stream: string): NodeJS.ProcessEnv {
    const { contactPoints, port, datacenter, keyspace } = this.database.options;
    return {
      ...process.env,
      SETTLED_HOME: '/nonexistent',
      SETTLED_STREAM: stream,
      SETTLED_PARTITIONS: `${PARTITIONS}`,
      SETTLED_TEMPORAL_ADDRESS: temporalAddress(),
      SETTLED_TEMPORAL_TASK_QUEUE: this.taskQueue,
      SETTLED_CASSANDRA_CONTACT_POINTS: contactPoints.join(','),
      SETTLED_CASSANDRA_PORT: `${port}`,
      SETTLED_CASSANDRA_DATACENTER: datacenter,
      SETTLED_CASSANDRA_KEYSPACE: keyspace,
    };
  }

  /** A name for a stream that no other test has. */
  stream(): string {
    const name = `s-${randomUUID().slice(0, 13)}`;
    this.#streams.push(name);
    return name;
  }

  /** An engine's end of the wire, on a free port. */
  async engine(more: Partial<PushPublisherOptions> = {}): Promise<PushPublisher> {
    const publisher = await PushPublisher.open({ endpoint: 'tcp://127.0.0.1:0', lingerMs: 0, ...more });
    this.#publishers.push(publisher);
    return publisher;
  }

  /** The lease of a stream, which nobody may hold. */
  async lease(stream: string, log = recordingLog().log): Promise<LeaseKeeper> {
    const holderId = randomUUID();
    const { client } = this.database;
    const durationMs = 10_000;
    return standBy({ client, log, stream, holder: 'test', holderId, durationMs, standBy: false });
  }

  /** The lease of a stream, whoever holds it. */
  async stolenLease(stream: string): Promise<HeldLease> {
    const number = await takeLease(this.database.client, stream, 'thief');
    return { number, isHeld: () => true, ended: new Promise(() => undefined) };
  }

  /** An engine with an outbox, on free ports. Pushes what it tells onto `notices`. */
  async publisher(
    options: Pick<PublisherOptions, 'stream' | 'outbox'> & Partial<PublisherOptions>,
    notices: PublisherNotice[] = [],
  ): Promise<Publisher> {
    const publisher = await Publisher.open({
      endpoint: 'tcp://127.0.0.1:0',
      controlEndpoint: 'tcp://127.0.0.1:0',
      onNotice: (notice) => notices.push(notice),
      ...options,
    });
    this.#publishers.push(publisher);
    return publisher;
  }

  /** Where an engine's outbox may be, until the test is over. */
  outbox(): string {
    const folder = mkdtempSync(join(tmpdir(), 'settled-outbox-'));
    this.#folders.push(folder);
    return join(folder, 'outbox');
  }

  /** Something that is to be closed after the test. */
  owns<T extends { close(): Promise<unknown> }>(closable: T): T {
    this.#publishers.push(closable);
    return closable;
  }

  /** Opens an ingest and lets it run. */
  async ingest(
    options: Pick<IngestOptions, 'stream' | 'endpoint'> & Partial<IngestOptions>,
  ): Promise<RunningIngest> {
    const { log, lines } = recordingLog();
    const keeper = options.lease ? undefined : await this.lease(options.stream, log);
    const release = async (): Promise<void> => keeper?.release();
    const ingest = await Ingest.open({
      lease: options.lease ?? keeper!,
      cassandra: this.database.client,
      temporal: this.temporal,
      log,
      dialect: 'numbered',
      partitions: PARTITIONS,
      bind: false,
      taskQueue: this.taskQueue,
      maxInFlightEvents: 20_000,
      receiveHighWaterMark: 1_000,
      chunk: { eventsMax: 500, bytesMax: 200 * 1024 },
      divisorOf: () => 1n,
      ...options,
    }).catch(async (error: unknown) => {
      await release();
      throw error;
    });
    const running = new RunningIngest(ingest, lines, release);
    this.#ingests.push(running);
    this.#connected.set(options.endpoint, (this.#connected.get(options.endpoint) ?? 0) + 1);
    return running;
  }

  /**
   * Sends messages as fast as they are taken. To an ingest that closed just before, and whose end has not arrived yet, the
   * first of them would go and be lost: that is waited for, and that the one opened last has arrived, but not for ever, since
   * two may be meant to live at once.
   */
  async send(engine: PushPublisher, messages: Iterable<readonly Buffer[]>): Promise<void> {
    const giveUpMs = Date.now() + PEER_GONE_MS_MAX;
    const connected = this.#connected.get(engine.endpoint) ?? 0;
    const isSettled = (): boolean =>
      engine.peersSeen >= connected && engine.peersSeen - engine.peersLost <= 1;
    while (!isSettled() && Date.now() < giveUpMs) await sleep(10);
    for (const frames of messages) await engine.publish(frames as unknown as Frames);
  }

  async audit(stream: string, oracle?: OracleFile) {
    return audit(this.database.client, { stream, record: false, ...(oracle ? { oracle } : {}) });
  }

  async rejected(stream: string): Promise<RejectedMessage[]> {
    const messages: RejectedMessage[] = [];
    for await (const message of readRejected(this.database.client, stream)) messages.push(message);
    return messages.sort((a, b) => Number(a.arrival - b.arrival));
  }

  async record(stream: string): Promise<StreamRecord | undefined> {
    return readStream(this.database.client, stream);
  }

  /** After a test: ends what it opened, and empties the tables, so that balances start over. */
  async clear(): Promise<void> {
    for (const running of this.#ingests.splice(0)) await running.close().catch(() => undefined);
    for (const publisher of this.#publishers.splice(0)) await publisher.close();
    for (const folder of this.#folders.splice(0)) rmSync(folder, { recursive: true, force: true });
    for (const stream of this.#streams.splice(0))
      await Promise.all(
        Array.from({ length: PARTITIONS }, (_, partition) =>
          this.temporal.workflow
            .getHandle(partitionWorkflowId(stream, partition))
            .terminate('over')
            .catch(() => undefined),
        ),
      );
    await this.emptyTables();
  }

  /** Empties every table: balances and leases start over, the partitions' workflows do not. */
  async emptyTables(): Promise<void> {
    for (const table of TABLES)
      await this.database.client.execute(`TRUNCATE ${table}`, [], { prepare: false });
  }

  async stop(): Promise<void> {
    await this.stopWorker();
    await this.temporal.connection.close();
    await this.#native.close();
    await this.database.drop();
  }
}

const TABLES = [
  'user_balances',
  'settled_trades',
  'ledger_events',
  'ledger_entries',
  'stream_log',
  'streams',
  'leases',
  'rejected_messages',
  'quarantined_events',
];

/** host:port of the Temporal under test. */
export function temporalAddress(): string {
  return process.env['SETTLED_TEST_TEMPORAL'] ?? inject('stack').temporalAddress;
}

function recordingLog(): { log: Logger; lines: Logged[] } {
  const lines: Logged[] = [];
  const level = (name: string) => (fields: Record<string, unknown>, message: string) => {
    lines.push({ level: name, message, fields });
  };
  const log = Object.fromEntries(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map((name) => [name, level(name)]),
  );
  return { log: log as unknown as Logger, lines };
}
