/** The process of a worker. One settler a process, shared by all partitions that it serves. */
import { setMaxListeners } from 'node:events';
import {
  makeTelemetryFilterString,
  Runtime,
  type NativeConnection,
  type WorkflowBundle,
} from '@temporalio/worker';
import type { Client } from 'cassandra-driver';
import { loadConfig, type Config } from '../config/index.ts';
import { CassandraStorage } from '../ledger/storage.ts';
import { readStream, requirePartitions } from '../ledger/streams.ts';
import { createLogger } from '../logging/index.ts';
import { Settler } from '../settlement/settler.ts';
import { openDatabase } from './cassandra-connection.ts';
import { UPDATES_IN_FLIGHT_MAX } from '../workflows/contract.ts';
import { keepHeapSmall } from './heap.ts';
import { leaveParent, residentMiB, tellParent, tellRegularly } from './parent.ts';
import { settlerLimits, workerStorageOptions } from './settler-options.ts';
import { workerConnection } from './worker-connection.ts';
import { workerActivities } from './worker-activities.ts';
import { createPartitionWorker } from './worker-host.ts';

const MEMORY_INTERVAL_MS = 500;
/** What ends a worker: the SDK stops polling, and attempts hand back what they are not writing. */
const SHUTDOWN_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGUSR2'] as const;

/**
 * Runs a worker until it is interrupted.
 *
 * @param bundling the workflows' bundle, under way
 * @throws Error where it cannot run
 */
export async function runWorker(bundling: Promise<WorkflowBundle>): Promise<void> {
  keepHeapSmall();
  const config = loadConfig(process.env);
  const log = createLogger(config.log, { part: 'worker' });
  Runtime.install({
    shutdownSignals: [...SHUTDOWN_SIGNALS],
    // What the SDK's native part says comes by the same logger, not as lines of its own.
    telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'WARN' }), forward: {} } },
    logger: {
      log: (level, message, meta) => {
        log[level.toLowerCase() as 'info'](meta ?? {}, message);
      },
      trace: (message, meta) => {
        log.trace(meta ?? {}, message);
      },
      debug: (message, meta) => {
        log.debug(meta ?? {}, message);
      },
      info: (message, meta) => {
        log.info(meta ?? {}, message);
      },
      warn: (message, meta) => {
        log.warn(meta ?? {}, message);
      },
      error: (message, meta) => {
        log.error(meta ?? {}, message);
      },
    },
  });
  const cassandra = await openDatabase(config);
  const { partitions } = config.stream;
  const connection = await connectedFor(config, cassandra).catch(async (error: unknown) => {
    await cassandra.shutdown();
    throw error;
  });
  const storage = new CassandraStorage(cassandra, workerStorageOptions(config));
  const settler = new Settler({ storage, limits: settlerLimits(config) });
  const leaving = new AbortController();
  // Each attempt under way listens.
  setMaxListeners(0, leaving.signal);
  for (const signal of SHUTDOWN_SIGNALS) process.once(signal, () => leaving.abort());
  const { attemptMs } = config.settlement;
  const leave = leaving.signal;
  const activities = workerActivities({ cassandra, storage, settler, attemptMs, leave });
  try {
    const worker = await createPartitionWorker({
      connection,
      namespace: config.temporal.namespace,
      taskQueue: config.temporal.taskQueue,
      activities,
      partitions,
      updatesInFlight: UPDATES_IN_FLIGHT_MAX,
      workflowBundle: await bundling,
    });
    const stopTelling = tellRegularly(MEMORY_INTERVAL_MS, () => ({ type: 'memory', rssMiB: residentMiB() }));
    tellParent({ type: 'ready' });
    log.info({ taskQueue: config.temporal.taskQueue, temporal: config.temporal.address }, 'worker runs');
    await worker.run();
    stopTelling();
    tellParent({ type: 'ended', ending: { counts: settler.counts, held: settler.held } });
    log.info({ ...settler.counts }, 'worker ended');
  } finally {
    await connection.close();
    await cassandra.shutdown();
    leaveParent();
  }
}

/** Connects, unless the stream is recorded with another number of partitions (I10). */
async function connectedFor(config: Config, cassandra: Client): Promise<NativeConnection> {
  const record = await readStream(cassandra, config.stream.name);
  if (record) requirePartitions(record, config.stream.partitions);
  return workerConnection(config);
}
