/**
 * `settled ingest`: takes a stream from an engine's socket and feeds it to the partitions' workflows, until it is
 * interrupted or the stream stops. It does so under the stream's lease: while another ingest has that, it stands by.
 */
import type { Client as TemporalClient } from '@temporalio/client';
import type { Client as CassandraClient } from 'cassandra-driver';
import type { Command } from 'commander';
import { loadConfig, type Config, type ConfigOverrides } from '../../config/index.ts';
import { Ingest, type IngestEnding } from '../../ingest/ingest.ts';
import { ClosedStreamError } from '../../ingest/opening.ts';
import { isLeaseEnd } from '../../ingest/lease-end.ts';
import { standBy } from '../../ingest/lease-standby.ts';
import type { HeldLease, LeaseKeeper } from '../../ingest/lease.ts';
import { serveStream } from '../../ingest/serving.ts';
import { readStream, requirePartitions } from '../../ledger/streams.ts';
import { createLogger, type Logger } from '../../logging/index.ts';
import { openDatabase } from '../cassandra-connection.ts';
import { ingestCurve } from '../curve.ts';
import { divisors } from '../divisors.ts';
import { keepHeapSmall } from '../heap.ts';
import { holderName, isHolderGone, newHolderId } from '../holder.ts';
import { storageConsistency } from '../settler-options.ts';
import { leaveParent, residentMiB, tellParent, tellRegularly } from '../parent.ts';
import { temporalClient } from '../temporal-connection.ts';

/** The stream stopped, or stays closed: something in it is missing or wrong. Started again it would end so again. */
const STOPPED_EXIT_CODE = 3;
/** Interrupted, and events in flight were not settled in time; the next ingest goes on after the watermark. */
const UNSETTLED_EXIT_CODE = 4;
/** Our lease ended: the stream goes on elsewhere, or may. Started again, the ingest stands by. */
const LEASE_EXIT_CODE = 5;
const PROGRESS_INTERVAL_MS = 200;

interface Flags {
  readonly stream?: string;
  readonly endpoint?: string;
  readonly control?: string;
  readonly bind?: boolean;
  readonly classic?: boolean;
  readonly afterStop?: boolean;
  readonly standby: boolean;
  readonly json?: boolean;
}

async function run(flags: Flags): Promise<void> {
  keepHeapSmall();
  const overrides: ConfigOverrides = {
    stream: { name: flags.stream, kind: flags.classic ? 'classic' : undefined },
    ingest: {
      endpoint: flags.endpoint,
      controlEndpoint: flags.control,
      bind: flags.bind ? 'true' : undefined,
    },
  };
  const config = loadConfig(process.env, overrides);
  const curve = ingestCurve(config);
  const log = createLogger(config.log, { part: 'ingest', stream: config.stream.name });
  const interrupted = new AbortController();
  const interrupt = (): void => {
    interrupted.abort();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const cassandra = await openDatabase(config);
  try {
    const record = await readStream(cassandra, config.stream.name);
    if (record) requirePartitions(record, config.stream.partitions);
    const temporal = await temporalClient(config);
    try {
      await serve(flags, { config, log, cassandra, temporal, curve, signal: interrupted.signal });
    } catch (error) {
      if (!(error instanceof ClosedStreamError)) throw error;
      process.stderr.write(`${error.message}\n`);
      process.exitCode = STOPPED_EXIT_CODE;
    } finally {
      await temporal.connection.close();
    }
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    await cassandra.shutdown();
    leaveParent();
  }
}

/** What an ingest of this process stands on. */
interface Place {
  readonly config: Config;
  readonly log: Logger;
  readonly cassandra: CassandraClient;
  readonly temporal: TemporalClient;
  readonly curve: ReturnType<typeof ingestCurve>;
  /** Aborted when the process is to end. */
  readonly signal: AbortSignal;
}

/** Serves the stream, and says how that ended. */
async function serve(flags: Flags, place: Place): Promise<void> {
  const { config, log, signal } = place;
  const served = await serveStream<Ingest>({
    log,
    signal,
    standBy: flags.standby,
    openMsMax: config.ingest.leaseMs,
    takeLease: (above) => leaseOf(flags, place, above),
    open: (lease) => openIngest(flags, place, lease),
    run: (ingest) => runUntilEnd(ingest, log, signal),
  });
  if (served.kind === 'ended') {
    tellParent({ type: 'ended', ending: served.ending });
    report(flags, served.ending);
  } else if (served.kind === 'lease-ended') {
    process.stderr.write(`The stream was not opened: ${served.message}\n`);
    process.exitCode = LEASE_EXIT_CODE;
  } else if (flags.json) process.stdout.write(`${JSON.stringify({ kind: 'standby' })}\n`);
}

/** The stream's lease, with a number above another, when it is our turn; undefined if the process is to end before. */
async function leaseOf(flags: Flags, place: Place, above: bigint): Promise<LeaseKeeper | undefined> {
  const { config, log, cassandra, signal } = place;
  try {
    return await standBy({
      client: cassandra,
      log,
      stream: config.stream.name,
      holder: holderName(),
      holderId: newHolderId(),
      durationMs: config.ingest.leaseMs,
      above,
      standBy: flags.standby,
      signal,
      isGone: isHolderGone,
      onStandby: ({ lease, holder }) => {
        log.info(
          { lease, holder },
          `standby: lease ${lease} is held by ${holder}; takes over when it runs out`,
        );
        tellParent({ type: 'standby', lease: lease.toString(), holder });
      },
    });
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

function openIngest(flags: Flags, place: Place, lease: HeldLease): Promise<Ingest> {
  const { config, log, cassandra, temporal, curve } = place;
  const { stream } = config;
  return Ingest.open({
    cassandra,
    temporal,
    log,
    stream: stream.name,
    dialect: stream.kind,
    partitions: stream.partitions,
    endpoint: config.ingest.endpoint,
    controlEndpoint: config.ingest.controlEndpoint,
    bind: config.ingest.bind,
    curve,
    taskQueue: config.temporal.taskQueue,
    lease,
    maxInFlightEvents: config.ingest.maxInFlightEvents,
    receiveHighWaterMark: config.ingest.receiveHighWaterMark,
    chunk: { eventsMax: config.ingest.chunkEventsMax, bytesMax: config.ingest.chunkBytesMax },
    divisorOf: divisors(config),
    afterStop: flags.afterStop === true,
    storage: storageConsistency(config),
  });
}

async function runUntilEnd(ingest: Ingest, log: Logger, signal: AbortSignal): Promise<IngestEnding> {
  const close = (): void => {
    ingest.close();
  };
  signal.addEventListener('abort', close, { once: true });
  if (signal.aborted) close();
  const stopTelling = tellRegularly(PROGRESS_INTERVAL_MS, () => {
    tellParent({ type: 'memory', rssMiB: residentMiB() });
    return { type: 'progress', progress: ingest.progress };
  });
  try {
    tellParent({ type: 'ready', endpoint: ingest.endpoint });
    log.info(
      { endpoint: ingest.endpoint, lease: ingest.lease, watermark: ingest.progress.watermark },
      'ingest runs',
    );
    const ending = await ingest.run();
    log.info({ kind: ending.kind, unsettled: ending.unsettled, ...ending.progress }, 'ingest ended');
    return ending;
  } finally {
    stopTelling();
    signal.removeEventListener('abort', close);
  }
}

function report(flags: Flags, ending: IngestEnding): void {
  if (flags.json) process.stdout.write(`${JSON.stringify(ending)}\n`);
  if (ending.kind === 'stopped') {
    const { stop } = ending;
    if (stop)
      process.stderr.write(
        `The stream stopped at sequence ${stop.sequence} (${stop.reason}): ${stop.message}\n`,
      );
    process.exitCode = isLeaseEnd(stop?.reason) ? LEASE_EXIT_CODE : STOPPED_EXIT_CODE;
  } else if (ending.unsettled > 0) process.exitCode = UNSETTLED_EXIT_CODE;
}

/** Adds the command. */
export function register(program: Command): void {
  program
    .command('ingest')
    .description(
      'take a stream from an engine and settle it, until interrupted (exit codes: 0 closed with everything settled, ' +
        '1 could not run, 3 the stream stopped or stays closed, 4 closed with events unsettled, 5 its lease ended)',
    )
    .option('--stream <name>', 'the name of the stream (SETTLED_STREAM)')
    .option('--endpoint <tcp://host:port>', "the engine's PUSH socket (SETTLED_INGEST_ENDPOINT)")
    .option(
      '--control <tcp://host:port>',
      "the engine's control socket, where it is asked to send again (SETTLED_INGEST_CONTROL_ENDPOINT)",
    )
    .option('--bind', 'bind the endpoints instead of connecting to them (SETTLED_INGEST_BIND)')
    .option('--classic', 'the engine numbers trades only and cannot send again (SETTLED_STREAM_KIND=classic)')
    .option('--after-stop', 'go on with a classic stream that stopped, although something is missing in it')
    .option('--no-standby', 'fail at once where another ingest has the stream, and end where its lease ends')
    .option('--json', 'print how it ended as one JSON object')
    .action(run);
}
