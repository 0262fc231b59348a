/** An ingest process: the product's ingest, all of it but its socket, on simulated connections. */
import { Ingest, type IngestEnding } from '../../src/ingest/ingest.ts';
import { standBy } from '../../src/ingest/lease-standby.ts';
import type { HeldLease } from '../../src/ingest/lease.ts';
import type { Logger } from '../../src/logging/index.ts';
import type { Chunk, PartitionLimits } from '../../src/workflows/contract.ts';
import { simulatedClient } from './cassandra-client.ts';
import { CONTROL_ENDPOINT, DATA_ENDPOINT } from './engine-host.ts';
import type { Database } from './database.ts';
import type { Process } from './scheduler.ts';
import { STREAM } from './stored.ts';
import { temporalClient, type TemporalServer } from './temporal.ts';

/** What an ingest is made of. */
export interface IngestHostOptions {
  readonly server: TemporalServer;
  readonly database: Database;
  readonly process: Process;
  readonly partitions: number;
  readonly maxInFlightEvents: number;
  readonly limits: PartitionLimits;
  readonly chunkEventsMax: number;
  readonly leaseMs: number;
  readonly onSend: (chunk: Chunk) => void;
  /** Told once, unless the process is killed: how it ended, or why it could not begin. */
  readonly ended: (how: IngestEnding | Error) => void;
  readonly trace: (text: () => string) => void;
}

/** One ingest. */
export class IngestHost {
  readonly process: Process;
  ingest: Ingest | undefined;

  constructor(options: IngestHostOptions) {
    const { server, database, process, trace } = options;
    const { scheduler, random } = server;
    this.process = process;
    scheduler.in(process, 0, () => {
      const temporal = temporalClient({ server, process, onSend: options.onSend, trace });
      const cassandra = simulatedClient({ scheduler, random, database, process });
      this.#run(options, temporal, cassandra).then(options.ended, options.ended);
    });
  }

  async #run(
    options: IngestHostOptions,
    temporal: ReturnType<typeof temporalClient>,
    cassandra: ReturnType<typeof simulatedClient>,
  ): Promise<IngestEnding> {
    const log = tracingLog(options);
    const { name } = options.process;
    const lease = await standBy({
      client: cassandra,
      log,
      stream: STREAM,
      holder: name,
      holderId: name,
      durationMs: options.leaseMs,
    });
    try {
      return await this.#feed(options, temporal, cassandra, lease, log);
    } finally {
      // As serving.ts does: it runs out by itself, and how the stream ended is worth more.
      await lease.release().catch((error: unknown) => {
        log.warn({ problem: String(error) }, 'the lease could not be given back; it will run out');
      });
    }
  }

  async #feed(
    options: IngestHostOptions,
    temporal: ReturnType<typeof temporalClient>,
    cassandra: ReturnType<typeof simulatedClient>,
    lease: HeldLease,
    log: Logger,
  ): Promise<IngestEnding> {
    this.ingest = await Ingest.open({
      cassandra,
      temporal,
      log,
      stream: STREAM,
      dialect: 'numbered',
      partitions: options.partitions,
      endpoint: DATA_ENDPOINT,
      controlEndpoint: CONTROL_ENDPOINT,
      bind: false,
      taskQueue: 'settle',
      lease,
      maxInFlightEvents: options.maxInFlightEvents,
      receiveHighWaterMark: 1_000,
      chunk: { eventsMax: options.chunkEventsMax, bytesMax: 200 * 1024 },
      limits: options.limits,
      divisorOf: () => 1n,
    });
    return this.ingest.run();
  }
}

function tracingLog({ trace, process }: IngestHostOptions): Logger {
  const level = (name: string) => (fields: object, message: string) => {
    trace(() => `${process.name} ${name}: ${message} ${JSON.stringify(fields)}`);
  };
  const log = Object.fromEntries(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map((name) => [name, level(name)]),
  );
  return log as unknown as Logger;
}
