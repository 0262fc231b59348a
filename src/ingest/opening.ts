/**
 * What an ingest does before it opens its socket: it holds the stream's record against its configuration (I10), takes
 * the next fencing number, and finds out where the stream stands. A numbered stream goes on after the watermark; lines
 * above it are written again and compared (I1b). A classic engine cannot send again, so its stream opens only when
 * nothing is unfinished.
 */
import type { Client as TemporalClient } from '@temporalio/client';
import type { Client as CassandraClient } from 'cassandra-driver';
import { setTimeout as sleep } from 'node:timers/promises';
import { entriesOf } from '../domain/entries.ts';
import { isTradeLine, readEventRow } from '../ledger/event-lookup.ts';
import { takeLease } from '../ledger/leases.ts';
import type { CassandraStorage } from '../ledger/storage.ts';
import {
  LINES_PER_WRITE_MAX,
  linesAbove,
  linesDown,
  writeLines,
  type StreamLine,
} from '../ledger/stream-log.ts';
import { openStream, writeStopped, writeWatermark, type StreamRecord } from '../ledger/streams.ts';
import { partitionStatus } from './update-sender.ts';

/** What opening needs. */
export interface OpeningOptions {
  readonly cassandra: CassandraClient;
  readonly storage: CassandraStorage;
  readonly temporal: TemporalClient;
  readonly stream: string;
  readonly partitions: number;
  readonly dialect: StreamRecord['dialect'];
  /** Who opens it, for people. */
  readonly holder: string;
  /** How long to wait for what a former classic ingest left unfinished, ms. */
  readonly unfinishedMsMax: number;
}

/** Where a stream stands. */
export interface Opening {
  readonly lease: bigint;
  readonly watermark: bigint;
  readonly linesAbove: ReadonlyMap<bigint, StreamLine>;
  /** Classic: `output_sequence` of the last settled trade, 0 where there is none. */
  readonly lastTradeNumber: bigint;
}

/** A classic stream cannot be opened without losing something; the message says what is unfinished. */
export class UnfinishedStreamError extends Error {
  override readonly name = 'UnfinishedStreamError';
}

/**
 * Opens a stream.
 *
 * @throws StreamMismatchError if it is recorded otherwise; {@link UnfinishedStreamError} for a classic stream with
 * events that were received and are not settled
 */
export async function openIngestStream(options: OpeningOptions): Promise<Opening> {
  const { cassandra, stream } = options;
  const record = await openStream(cassandra, stream, options.partitions, options.dialect);
  const lease = await takeLease(cassandra, stream, options.holder);
  if (options.dialect === 'classic') await untilNothingUnfinished(options);
  const lines = new Map<bigint, StreamLine>();
  for await (const line of linesAbove(cassandra, stream, record.watermark)) lines.set(line.sequence, line);
  await writeAgain(cassandra, stream, [...lines.values()]);
  if (record.stopped !== undefined) await writeStopped(cassandra, stream, '');
  if (options.dialect === 'numbered')
    return { lease, watermark: record.watermark, linesAbove: lines, lastTradeNumber: 0n };
  const watermark = await settleLines(options, record.watermark, [...lines.values()]);
  return {
    lease,
    watermark,
    linesAbove: new Map(),
    lastTradeNumber: await lastTradeNumber(options, watermark),
  };
}

async function writeAgain(
  cassandra: CassandraClient,
  stream: string,
  lines: readonly StreamLine[],
): Promise<void> {
  for (let at = 0; at < lines.length; at += LINES_PER_WRITE_MAX)
    await writeLines(cassandra, stream, lines.slice(at, at + LINES_PER_WRITE_MAX));
}

/** Waits, for a bounded time, until no Update of a former ingest is under way. */
async function untilNothingUnfinished(options: OpeningOptions): Promise<void> {
  const { temporal, stream, partitions } = options;
  const deadline = Date.now() + options.unfinishedMsMax;
  for (let partition = 0; partition < partitions; partition += 1) {
    for (;;) {
      const status = await partitionStatus(temporal, stream, partition);
      const isQuiet = status?.quietAt === undefined || Date.parse(status.quietAt) <= Date.now();
      if (!status || (status.unfinished === 0 && isQuiet)) break;
      if (Date.now() > deadline)
        throw new UnfinishedStreamError(
          `stream ${stream}: partition ${partition} still has ${status.unfinished} unfinished Updates of a former ` +
            `ingest, or attempts that may still be running. Is a worker running? A classic stream opens only when nothing is unfinished`,
        );
      await sleep(250);
    }
  }
}

/** Moves the watermark over lines whose events are settled; their entries are written again (I1a). */
async function settleLines(
  options: OpeningOptions,
  start: bigint,
  lines: readonly StreamLine[],
): Promise<bigint> {
  const { cassandra, storage, stream } = options;
  let watermark = start;
  for (const line of lines) {
    const row = await readEventRow(cassandra, stream, line);
    if (!row || line.sequence !== watermark + 1n)
      throw new UnfinishedStreamError(
        `stream ${stream}: ${line.kind} ${line.id} (sequence ${line.sequence}) was received and never settled; the ` +
          `last ingest ended before it was sent on, and a classic engine cannot send it again. ${lines.length} lines ` +
          `stand above watermark ${start}. Compare the engine's book with "settled verify --oracle"`,
      );
    for (const entry of entriesOf(stream, row.event, row.legs))
      if ((await storage.writeEntries([entry])) === 'pending')
        throw new Error(
          `writing ledger entries of sequence ${line.sequence} timed out: start the ingest again`,
        );
    watermark = line.sequence;
  }
  if (watermark > start) await writeWatermark(cassandra, stream, watermark);
  return watermark;
}

async function lastTradeNumber(options: OpeningOptions, watermark: bigint): Promise<bigint> {
  const { cassandra, stream } = options;
  for await (const line of linesDown(cassandra, stream, watermark)) {
    if (!isTradeLine(line)) continue;
    const row = await readEventRow(cassandra, stream, line);
    if (row?.event.kind !== 'trade')
      throw new Error(
        `stream ${stream}: trade ${line.id} (sequence ${line.sequence}) has no row: run "settled verify"`,
      );
    return row.event.outputSequence;
  }
  return 0n;
}
