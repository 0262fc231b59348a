/**
 * What an ingest that has the stream's lease does before it opens its socket: it holds the stream's record against its
 * configuration (I10), and finds out where the stream stands. A numbered stream goes on after the watermark; lines
 * above it are written again and compared (I1b). A classic engine cannot send again, so its stream opens only when
 * nothing is unfinished.
 */
import type { Client as TemporalClient } from '@temporalio/client';
import type { Client as CassandraClient } from 'cassandra-driver';
import { setTimeout as sleep } from 'node:timers/promises';
import { balanceName } from '../domain/balance.ts';
import { entriesOf, type LedgerEntry } from '../domain/entries.ts';
import { isTradeLine, readEventRow } from '../ledger/event-lookup.ts';
import type { EventRow } from '../ledger/event-rows.ts';
import { readDismissedEvent } from '../ledger/quarantine.ts';
import type { CassandraStorage } from '../ledger/storage.ts';
import { linesAbove, linesDown, writeLines, writesOf, type StreamLine } from '../ledger/stream-log.ts';
import {
  openStream,
  readWatermark,
  writeStopped,
  writeWatermark,
  type StreamRecord,
} from '../ledger/streams.ts';
import { reasonOf } from '../logging/reason-of.ts';
import { leaseBehindText } from './lease-end.ts';
import type { Stop } from './stop.ts';
import { partitionStatus } from './update-sender.ts';

/** A partition's workflow may take so long to answer, ms. */
const QUERY_MS_MAX = 5_000;
/** Our clock and the server's may differ by so much, ms. */
const CLOCK_SKEW_MS_MAX = 1_000;

/** What an attempt has sent lands within the batch log's time, ms; here with room. */
const LANDING_MS_MAX = 35_000;

/** Rows of events read at once. */
const ROWS_AT_ONCE = 64;

/** What opening needs. */
export interface OpeningOptions {
  readonly cassandra: CassandraClient;
  readonly storage: CassandraStorage;
  readonly temporal: TemporalClient;
  readonly stream: string;
  readonly partitions: number;
  readonly dialect: StreamRecord['dialect'];
  /** The fencing number under which it is opened. */
  readonly lease: bigint;
  /** Goes on with a classic stream that stopped. */
  readonly afterStop?: boolean;
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

/** A classic stream cannot be opened yet without losing something; the message says what is unfinished. */
export class UnfinishedStreamError extends Error {
  override readonly name = 'UnfinishedStreamError';
}

/** A classic stream has lost something or stopped, and stays closed until a person decides; the message says what about. */
export class ClosedStreamError extends Error {
  override readonly name = 'ClosedStreamError';
}

/** A workflow has heard of a higher lease than ours: the next is to be taken above it. */
export class LeaseBehindError extends Error {
  override readonly name = 'LeaseBehindError';
  readonly heard: bigint;

  constructor(lease: bigint, heard: bigint) {
    super(leaseBehindText(lease, heard));
    this.heard = heard;
  }
}

function stillStopped(stream: string, stopped: string): string {
  const { sequence, reason, message } = JSON.parse(stopped) as Stop;
  return (
    `stream ${stream} stopped at sequence ${sequence} (${reason}): ${message}. A classic engine cannot send again, so ` +
    `what is missing stays missing. To go on all the same, start the ingest once with --after-stop`
  );
}

/**
 * Opens a stream.
 *
 * @throws StreamMismatchError if it is recorded otherwise; {@link UnfinishedStreamError} for a classic stream of which
 * something may still be settled, {@link ClosedStreamError} for one that stopped, or with events that were received and
 * never settled, {@link LeaseBehindError} for one whose workflows would refuse what is sent
 * under its lease: what they refuse can't come again
 */
export async function openIngestStream(options: OpeningOptions): Promise<Opening> {
  const { cassandra, stream, lease } = options;
  const record = await openStream(cassandra, stream, options.partitions, options.dialect);
  if (options.dialect === 'classic' && record.stopped !== undefined && options.afterStop !== true)
    throw new ClosedStreamError(stillStopped(stream, record.stopped));
  const deadline = Date.now() + options.unfinishedMsMax;
  const quietAtMs = options.dialect === 'classic' ? await untilNothingUnfinished(options, deadline) : 0;
  const start = await readWatermark(cassandra, stream);
  const lines = new Map<bigint, StreamLine>();
  for await (const line of linesAbove(cassandra, stream, start)) lines.set(line.sequence, line);
  await writeAgain(cassandra, stream, lease, [...lines.values()]);
  const opening =
    options.dialect === 'numbered'
      ? { lease, watermark: start, linesAbove: lines, lastTradeNumber: 0n }
      : await openClassic(options, start, [...lines.values()], deadline, quietAtMs + LANDING_MS_MAX);
  // Where it is not seen, too: what a former ingest wrote late must not stay on a stream that runs.
  if (record.stopped !== undefined || options.dialect === 'numbered')
    await writeStopped(cassandra, stream, '');
  return opening;
}

async function openClassic(
  options: OpeningOptions,
  start: bigint,
  lines: readonly StreamLine[],
  deadline: number,
  landedByMs: number,
): Promise<Opening> {
  const watermark = await settleLines(options, start, lines, deadline, Math.min(deadline, landedByMs));
  return {
    lease: options.lease,
    watermark,
    linesAbove: new Map(),
    lastTradeNumber: await lastTradeNumber(options, watermark),
  };
}

/** Lines are written again under the new lease, bucket by bucket, since a write is one partition of the table. */
async function writeAgain(
  cassandra: CassandraClient,
  stream: string,
  lease: bigint,
  lines: readonly StreamLine[],
): Promise<void> {
  for (const write of writesOf(lines))
    await writeLines(
      cassandra,
      stream,
      write.map((line) => ({ ...line, lease })),
    );
}

/**
 * Waits, for a bounded time, until no attempt at an event of a former ingest can be running.
 *
 * @returns when the last that nobody heard may have ended, ms since the epoch; 0 where there was none
 */
async function untilNothingUnfinished(options: OpeningOptions, deadline: number): Promise<number> {
  const { stream, partitions } = options;
  let quietAtMs = 0;
  for (let partition = 0; partition < partitions; partition += 1) {
    for (;;) {
      const rest = await restOf(options, partition);
      if (typeof rest === 'number') {
        quietAtMs = Math.max(quietAtMs, rest);
        break;
      }
      if (Date.now() > deadline)
        throw new UnfinishedStreamError(
          `stream ${stream}: partition ${partition} ${rest}. A classic stream opens only when nothing of its ` +
            `former ingest is unfinished: is a worker running?`,
        );
      await sleep(250);
    }
  }
  return quietAtMs;
}

/** What may still be going on in a partition, in words; if nothing, since when, ms since the epoch. */
async function restOf(
  { temporal, stream, lease }: OpeningOptions,
  partition: number,
): Promise<string | number> {
  try {
    const status = await partitionStatus(temporal, stream, partition, QUERY_MS_MAX);
    if (!status) return 0;
    if (BigInt(status.lease) > lease) throw new LeaseBehindError(lease, BigInt(status.lease));
    if (status.unfinished > 0) return `still has ${status.unfinished} unfinished Updates`;
    const quietAtMs = status.quietAt === undefined ? 0 : Date.parse(status.quietAt);
    return quietAtMs + CLOCK_SKEW_MS_MAX > Date.now()
      ? `has an attempt that nobody hears and that may run until ${status.quietAt}`
      : quietAtMs;
  } catch (error) {
    if (error instanceof LeaseBehindError) throw error;
    return `does not answer (${reasonOf(error)})`;
  }
}

/**
 * Moves the watermark over lines whose events are settled; their entries are written again (I1a). A row that is not there may
 * still come until `landedByMs`.
 */
async function settleLines(
  options: OpeningOptions,
  start: bigint,
  lines: readonly StreamLine[],
  deadline: number,
  landedByMs: number,
): Promise<bigint> {
  const { cassandra, storage, stream } = options;
  let watermark = start;
  const last = new Map<string, LedgerEntry>();
  for (let at = 0; at < lines.length; at += ROWS_AT_ONCE) {
    const some = lines.slice(at, at + ROWS_AT_ONCE);
    const rows = await Promise.all(some.map((line) => rowWithin(cassandra, stream, line, landedByMs)));
    const entries: LedgerEntry[] = [];
    for (const [index, line] of some.entries()) {
      const row = rows[index];
      const isPassed = !row && (await readDismissedEvent(cassandra, stream, line)) !== undefined;
      if ((!row && !isPassed) || line.sequence !== watermark + 1n)
        throw new ClosedStreamError(
          `stream ${stream}: ${line.kind} ${line.id} (sequence ${line.sequence}) was received and never settled; the ` +
            `last ingest ended before it was sent on, and a classic engine cannot send it again. ${lines.length} lines ` +
            `stand above watermark ${start}. Compare the engine's book with "settled verify --oracle"`,
        );
      if (row) entries.push(...entriesOf(stream, row.event, row.legs));
      watermark = line.sequence;
    }
    for (const entry of entries) last.set(balanceName(entry), entry);
    await writeEntriesAgain(storage, stream, entries);
  }
  await untilBalancesShow(options, [...last.values()], deadline);
  if (watermark > start) await writeWatermark(cassandra, stream, watermark);
  return watermark;
}

async function rowWithin(
  cassandra: CassandraClient,
  stream: string,
  line: StreamLine,
  untilMs: number,
): Promise<EventRow | undefined> {
  for (;;) {
    const row = await readEventRow(cassandra, stream, line);
    if (row || Date.now() >= untilMs) return row;
    await sleep(250);
  }
}

async function writeEntriesAgain(
  storage: CassandraStorage,
  stream: string,
  entries: readonly LedgerEntry[],
): Promise<void> {
  for (let at = 0; at < entries.length; at += storage.entriesPerWriteMax)
    if ((await storage.writeEntries(entries.slice(at, at + storage.entriesPerWriteMax))) === 'pending')
      throw new Error(`stream ${stream}: writing ledger entries again timed out: start the ingest again`);
}

/** A row may be visible before the balances of its batch are; the adapter must not start from those of before. */
async function untilBalancesShow(
  { storage, stream }: OpeningOptions,
  entries: readonly LedgerEntry[],
  deadline: number,
): Promise<void> {
  for (;;) {
    const balances = await storage.readBalances(entries);
    const behind = entries.find((entry, index) => (balances[index]?.version ?? 0n) < entry.version);
    if (!behind) return;
    if (Date.now() > deadline)
      throw new UnfinishedStreamError(
        `stream ${stream}: sequence ${behind.sequence} is settled, but balance ${balanceName(behind)} does not show ` +
          `its version ${behind.version}: part of a batch is not visible yet. Start the ingest again, or run "settled verify"`,
      );
    await sleep(250);
  }
}

async function lastTradeNumber(options: OpeningOptions, watermark: bigint): Promise<bigint> {
  const { cassandra, stream } = options;
  for await (const line of linesDown(cassandra, stream, watermark)) {
    if (!isTradeLine(line)) continue;
    const row = await readEventRow(cassandra, stream, line);
    const event = row?.event ?? (await readDismissedEvent(cassandra, stream, line));
    if (event?.kind !== 'trade')
      throw new ClosedStreamError(
        `stream ${stream}: trade ${line.id} (sequence ${line.sequence}) has no row: run "settled verify"`,
      );
    return event.outputSequence;
  }
  return 0n;
}
