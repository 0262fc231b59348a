/**
 * `settled status`: the servers, the streams, and what holds each of them up.
 */
import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { loadConfig, type Config } from '../../config/index.ts';
import { reasonOf } from '../../logging/reason-of.ts';
import { stackStatus, type ServerStatus, type StackStatus } from '../../stack/index.ts';
import { openDatabase } from '../cassandra-connection.ts';
import { needsAPerson, streamStatuses, type StreamStatus } from '../stream-status.ts';
import { temporalClient } from '../temporal-connection.ts';

/** Something needs a person: a server is down, a partition halted, a stream stopped. */
const ATTENTION_EXIT_CODE = 3;

interface Problem {
  readonly problem: string;
}

async function status(flags: { readonly json?: boolean }): Promise<void> {
  const config = loadConfig(process.env);
  const servers = serversOf(await stackStatus(config.stack.home, config.temporal.namespace), config);
  const { streams, unreachable } = await streamsOf(config);
  if (flags.json) process.stdout.write(`${JSON.stringify({ servers, streams, unreachable })}\n`);
  else {
    const text = describe(servers, streams, config.ingest.maxInFlightEvents);
    process.stdout.write(`${[text, ...unreachable].join('\n')}\n`);
  }
  const isServerGone = servers.some(({ condition }) => condition === 'died' || condition === 'silent');
  if (isServerGone || unreachable.length > 0 || 'problem' in streams || streams.some(needsAPerson))
    process.exitCode = ATTENTION_EXIT_CODE;
}

/** A server as told: one of ours, or one that the configuration names and `settled up` does not start. */
type Server =
  ServerStatus | { readonly name: string; readonly condition: 'configured'; readonly address: string };

/** Whether those of others answer is told with the streams, which are read from them. */
function serversOf({ servers }: StackStatus, { temporal, cassandra }: Config): Server[] {
  const configured: Readonly<Record<string, string | undefined>> = {
    temporal: temporal.addressSource === 'configured' ? temporal.address : undefined,
    cassandra:
      cassandra.addressSource === 'configured'
        ? `${cassandra.contactPoints.join(', ')} port ${cassandra.port}`
        : undefined,
  };
  return servers.map((server) => {
    const address = configured[server.name];
    return address === undefined ? server : { name: server.name, condition: 'configured', address };
  });
}

/** Who feeds a stream, in words. */
function feeder({ lease, holder, held, alive, renewedMsAgo }: NonNullable<StreamStatus['ingest']>): string {
  if (!held) return `lease ${lease} was given back by ${holder}: no ingest runs`;
  if (alive) return `lease ${lease} is held by ${holder}`;
  return (
    `lease ${lease} was not given back by ${holder}, nor renewed for ${Math.round(renewedMsAgo / 1000)} s: no ingest runs, or it ` +
    `cannot reach the database`
  );
}

interface Found {
  readonly streams: readonly StreamStatus[] | Problem;
  /** Servers of the configuration that do not answer, in words; those that are known to be down are told of elsewhere. */
  readonly unreachable: readonly string[];
}

async function streamsOf(config: Config): Promise<Found> {
  const unreachable: string[] = [];
  const temporal = await temporalClient(config).catch((error: unknown) => {
    if (config.temporal.addressSource === 'configured') unreachable.push(reasonOf(error));
    return undefined;
  });
  const streams = await statusesOf(config, temporal).catch((error: unknown): Problem => ({
    problem: reasonOf(error),
  }));
  await temporal?.connection.close();
  return { streams, unreachable };
}

async function statusesOf(config: Config, temporal: Client | undefined): Promise<StreamStatus[]> {
  const cassandra = await openDatabase(config);
  try {
    return await streamStatuses(cassandra, temporal);
  } finally {
    await cassandra.shutdown();
  }
}

function describe(
  servers: readonly Server[],
  streams: readonly StreamStatus[] | Problem,
  inFlightMax: number,
): string {
  const lines = ['Servers'];
  for (const server of servers) {
    if (server.condition === 'configured') {
      lines.push(`  ${server.name.padEnd(10)} configured at ${server.address}: not one of "settled up"`);
      continue;
    }
    const memory =
      server.residentBytes === undefined ? '' : `, ${Math.round(server.residentBytes / 1024 / 1024)} MiB`;
    const where = server.address === undefined ? '' : ` at ${server.address} (pid ${server.pid}${memory})`;
    const version = server.version === undefined ? '' : ` ${server.version}`;
    lines.push(`  ${server.name.padEnd(10)} ${server.condition}${where}${version}`);
    if (server.uiUrl) lines.push(`  ${''.padEnd(10)} web UI ${server.uiUrl}`);
  }
  lines.push('Streams');
  if ('problem' in streams) return [...lines, `  ${streams.problem}`].join('\n');
  if (streams.length === 0) lines.push('  none yet: "settled ingest" opens one');
  for (const stream of streams) {
    lines.push(
      `  ${stream.stream.padEnd(10)} ${stream.dialect}, ${stream.partitions} partitions, watermark ${stream.watermark}, lag ${stream.lag}`,
    );
    if (stream.ingest) lines.push(`  ${''.padEnd(10)} ${feeder(stream.ingest)}`);
    const oldest = stream.oldestUnsettled;
    if (oldest)
      lines.push(
        `  ${''.padEnd(10)} oldest unsettled: ${oldest.event} (sequence ${oldest.sequence}), ${oldest.why}`,
      );
    for (const { partition, halt, next } of stream.halted) {
      const since = halt
        ? ` since ${halt.since} by ${halt.conflict.event} (sequence ${halt.conflict.sequence}): ${halt.conflict.reason}, ` +
          `balance ${halt.conflict.user}/${halt.conflict.asset}, expected ${halt.conflict.expected}, found ${halt.conflict.found}`
        : '';
      lines.push(`  ${''.padEnd(10)} held up: partition ${partition} waits for a person${since}`);
      for (const step of next) lines.push(`  ${''.padEnd(12)} ${step}`);
    }
    if (stream.halted.length > 0)
      lines.push(
        `  ${''.padEnd(10)} other partitions go on until ${inFlightMax} events are in flight; nothing is lost meanwhile`,
      );
    if (stream.unanswered > 0)
      lines.push(`  ${''.padEnd(10)} ${stream.unanswered} partitions do not answer: is a worker running?`);
    for (const { sequence, event, reason, state } of stream.quarantined)
      lines.push(`  ${''.padEnd(10)} in quarantine: ${event} (sequence ${sequence}): ${reason}, ${state}`);
    const stopped = stream.stopped as { sequence: string; reason: string; message: string } | undefined;
    if (stopped)
      lines.push(
        `  ${''.padEnd(10)} stopped at sequence ${stopped.sequence} (${stopped.reason}): ${stopped.message}`,
      );
  }
  return lines.join('\n');
}

/** Adds the command. */
export function register(program: Command): void {
  program
    .command('status')
    .description(
      'servers, streams, watermark, lag, oldest unsettled and why (exit codes: 0 nothing needs a person, 1 failed, 3 something does: a server, a halt, a stop, an ingest that is gone or that nobody started)',
    )
    .option('--json', 'one JSON object')
    .action(status);
}
