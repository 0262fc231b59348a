/**
 * `settled ingest`: takes a stream from an engine's socket and feeds it to the partitions' workflows, until it is
 * interrupted or the stream stops.
 */
import { hostname } from 'node:os';
import type { Command } from 'commander';
import { loadConfig, type Config, type ConfigOverrides } from '../../config/index.ts';
import { Ingest, type IngestEnding } from '../../ingest/ingest.ts';
import { createLogger } from '../../logging/index.ts';
import { openDatabase } from '../cassandra-connection.ts';
import { storageConsistency } from '../settler-options.ts';
import { leaveParent, residentMiB, tellParent, tellRegularly } from '../parent.ts';
import { temporalClient } from '../temporal-connection.ts';

/** The stream stopped: something in it is missing or wrong. */
const STOPPED_EXIT_CODE = 3;
/** Interrupted, and events in flight were not settled in time; the next ingest goes on after the watermark. */
const UNSETTLED_EXIT_CODE = 4;
const PROGRESS_INTERVAL_MS = 200;

interface Flags {
  readonly stream?: string;
  readonly endpoint?: string;
  readonly bind?: boolean;
  readonly classic?: boolean;
  readonly afterStop?: boolean;
  readonly json?: boolean;
}

async function run(flags: Flags): Promise<void> {
  const overrides: ConfigOverrides = {
    stream: { name: flags.stream, kind: flags.classic ? 'classic' : undefined },
    ingest: { endpoint: flags.endpoint, bind: flags.bind ? 'true' : undefined },
  };
  const config = loadConfig(process.env, overrides);
  const { stream } = config;
  const log = createLogger(config.log, { part: 'ingest', stream: stream.name });
  const cassandra = await openDatabase(config);
  try {
    const temporal = await temporalClient(config);
    try {
      const ingest = await Ingest.open({
        cassandra,
        temporal,
        log,
        stream: stream.name,
        dialect: stream.kind,
        partitions: stream.partitions,
        endpoint: config.ingest.endpoint,
        bind: config.ingest.bind,
        taskQueue: config.temporal.taskQueue,
        holder: `${hostname()} pid ${process.pid}`,
        maxInFlightEvents: config.ingest.maxInFlightEvents,
        receiveHighWaterMark: config.ingest.receiveHighWaterMark,
        chunk: { eventsMax: config.ingest.chunkEventsMax, bytesMax: config.ingest.chunkBytesMax },
        divisorOf: divisors(config),
        afterStop: flags.afterStop === true,
        storage: storageConsistency(config),
      });
      report(flags, await runUntilEnd(ingest, log));
    } finally {
      await temporal.connection.close();
    }
  } finally {
    await cassandra.shutdown();
    leaveParent();
  }
}

async function runUntilEnd(ingest: Ingest, log: ReturnType<typeof createLogger>): Promise<IngestEnding> {
  const close = (): void => {
    ingest.close();
  };
  process.on('SIGINT', close).on('SIGTERM', close);
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
    tellParent({ type: 'ended', ending });
    return ending;
  } finally {
    stopTelling();
    process.off('SIGINT', close).off('SIGTERM', close);
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
    process.exitCode = STOPPED_EXIT_CODE;
  } else if (ending.unsettled > 0) process.exitCode = UNSETTLED_EXIT_CODE;
}

/** Divisors of price × quantity, by instrument. */
function divisors({ stream }: Config): (base: number, quote: number) => bigint {
  const known = new Map(stream.instruments.map((one) => [`${one.baseAsset}/${one.quoteAsset}`, one.divisor]));
  return (base, quote) => known.get(`${base}/${quote}`) ?? 1n;
}

/** Adds the command. */
export function register(program: Command): void {
  program
    .command('ingest')
    .description(
      'take a stream from an engine and settle it, until interrupted (exit codes: 0 closed with everything settled, ' +
        '1 could not run, 3 the stream stopped, 4 closed with events unsettled)',
    )
    .option('--stream <name>', 'the name of the stream (SETTLED_STREAM)')
    .option('--endpoint <tcp://host:port>', "the engine's PUSH socket (SETTLED_INGEST_ENDPOINT)")
    .option('--bind', 'bind the endpoint instead of connecting to it (SETTLED_INGEST_BIND)')
    .option('--classic', 'the engine numbers trades only and cannot send again (SETTLED_STREAM_KIND=classic)')
    .option('--after-stop', 'go on with a classic stream that stopped, although something is missing in it')
    .option('--json', 'print how it ended as one JSON object')
    .action(run);
}
