/**
 * The stream log: one line a sequence, the intake (I1b). Lines are gathered by bucket into unlogged batches, each of
 * which is one partition, and written USING TIMESTAMP = sequence.
 */
import type { Client, types } from 'cassandra-driver';
import type { EventKind } from '../domain/event.ts';
import { sequenceBucket } from './event-rows.ts';

/** What the ingest received under a sequence. */
export interface StreamLine {
  readonly sequence: bigint;
  readonly kind: EventKind;
  /** A trade's id, or a ledger event's sequence (`eventId`). */
  readonly id: bigint;
  /** Digest of what the engine stated, 32 bytes. */
  readonly digest: Buffer;
  readonly lease: bigint;
}

const INSERT_LINE =
  'INSERT INTO stream_log (stream, bucket, sequence, kind, id, digest, lease) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?';
const COLUMNS = 'sequence, kind, id, digest, lease';

/** Lines per unlogged batch: about 10 KiB. */
export const LINES_PER_WRITE_MAX = 100;

/** Lines, ascending, split into what one write takes: of one bucket, at most {@link LINES_PER_WRITE_MAX}. */
export function* writesOf(lines: Iterable<StreamLine>): Generator<StreamLine[]> {
  let write: StreamLine[] = [];
  for (const line of lines) {
    const [first] = write;
    const isFull = write.length === LINES_PER_WRITE_MAX;
    if (first && (isFull || sequenceBucket(first.sequence) !== sequenceBucket(line.sequence))) {
      yield write;
      write = [];
    }
    write.push(line);
  }
  if (write.length > 0) yield write;
}

/** Writes lines of one bucket, at most {@link LINES_PER_WRITE_MAX}. Resolves once they are acknowledged at quorum. */
export async function writeLines(
  client: Client,
  stream: string,
  lines: readonly StreamLine[],
): Promise<void> {
  await client.batch(
    lines.map((line) => ({
      query: INSERT_LINE,
      params: [
        stream,
        sequenceBucket(line.sequence),
        line.sequence,
        line.kind,
        line.id,
        line.digest,
        line.lease,
        line.sequence,
      ],
    })),
    { prepare: true, logged: false, isIdempotent: true },
  );
}

/** The line of a sequence, if there is one. */
export async function readLine(
  client: Client,
  stream: string,
  sequence: bigint,
): Promise<StreamLine | undefined> {
  const result = await client.execute(
    `SELECT ${COLUMNS} FROM stream_log WHERE stream = ? AND bucket = ? AND sequence = ?`,
    [stream, sequenceBucket(sequence), sequence],
    { prepare: true },
  );
  const row = result.first() as types.Row | null;
  return row ? lineOf(row) : undefined;
}

/**
 * The lines above a sequence, ascending. Ends at the first bucket without any; but for the first of all, whose last lines
 * may have been lost with their writer while those of the next bucket, another write, were not.
 */
export async function* linesAbove(
  client: Client,
  stream: string,
  sequence: bigint,
): AsyncGenerator<StreamLine> {
  const first = sequenceBucket(sequence + 1n);
  for (let bucket = first; ; bucket += 1n) {
    const result = await client.execute(
      `SELECT ${COLUMNS} FROM stream_log WHERE stream = ? AND bucket = ? AND sequence > ?`,
      [stream, bucket, sequence],
      { prepare: true, fetchSize: 2_000 },
    );
    let empty = true;
    for await (const row of result) {
      empty = false;
      yield lineOf(row);
    }
    if (empty && bucket !== first) return;
  }
}

/** The highest line above a sequence, or undefined if there is none. It ends where {@link linesAbove} does. */
export async function highestLineAbove(
  client: Client,
  stream: string,
  sequence: bigint,
): Promise<StreamLine | undefined> {
  let highest: StreamLine | undefined;
  const first = sequenceBucket(sequence + 1n);
  for (let bucket = first; ; bucket += 1n) {
    const result = await client.execute(
      `SELECT ${COLUMNS} FROM stream_log WHERE stream = ? AND bucket = ? AND sequence > ? ORDER BY sequence DESC LIMIT 1`,
      [stream, bucket, sequence],
      { prepare: true },
    );
    const row = result.first() as types.Row | null;
    if (row) highest = lineOf(row);
    else if (bucket !== first) return highest;
  }
}

/** The lines from a sequence down to the first, descending. */
export async function* linesDown(client: Client, stream: string, from: bigint): AsyncGenerator<StreamLine> {
  for (let bucket = sequenceBucket(from); bucket >= 0n; bucket -= 1n) {
    const result = await client.execute(
      `SELECT ${COLUMNS} FROM stream_log WHERE stream = ? AND bucket = ? AND sequence <= ? ORDER BY sequence DESC`,
      [stream, bucket, from],
      { prepare: true, fetchSize: 200 },
    );
    for await (const row of result) yield lineOf(row);
  }
}

/** A row as a line. */
export function lineOf(row: types.Row): StreamLine {
  return {
    sequence: row['sequence'] as bigint,
    kind: row['kind'] as EventKind,
    id: row['id'] as bigint,
    digest: row['digest'] as Buffer,
    lease: row['lease'] as bigint,
  };
}
