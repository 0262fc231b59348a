/**
 * The `streams` table: number of partitions (I10), dialect, watermark, and why a stream stopped. The watermark is
 * written USING TIMESTAMP = watermark, so it never goes back (I7).
 */
import { types, type Client } from 'cassandra-driver';

/** What is recorded of a stream. */
export interface StreamRecord {
  readonly stream: string;
  readonly partitions: number;
  readonly dialect: 'numbered' | 'classic';
  readonly watermark: bigint;
  /** JSON of why its ingest stopped last; undefined while it runs or after a clean end. */
  readonly stopped?: string | undefined;
}

/** A process is configured otherwise than the stream was recorded. */
export class StreamMismatchError extends Error {
  override readonly name = 'StreamMismatchError';
}

/** The watermark of a stream, 0 where it has none yet. */
export async function readWatermark(
  client: Client,
  stream: string,
  consistency = types.consistencies.localQuorum,
): Promise<bigint> {
  const result = await client.execute('SELECT watermark FROM streams WHERE stream = ?', [stream], {
    prepare: true,
    consistency,
  });
  return ((result.first() as types.Row | null)?.['watermark'] as bigint | null | undefined) ?? 0n;
}

/** Persists the watermark. Idempotent; a lower one than stands there changes nothing. */
export async function writeWatermark(client: Client, stream: string, watermark: bigint): Promise<void> {
  await client.execute(
    'UPDATE streams USING TIMESTAMP ? SET watermark = ? WHERE stream = ?',
    [watermark, watermark, stream],
    { prepare: true },
  );
}

/** All streams of the database. */
export async function readStreams(client: Client): Promise<StreamRecord[]> {
  const result = await client.execute(
    'SELECT stream, partitions, dialect, watermark, stopped FROM streams',
    [],
    {
      prepare: true,
    },
  );
  return result.rows.map(recordOf);
}

/** One stream; undefined where it was never opened. */
export async function readStream(client: Client, stream: string): Promise<StreamRecord | undefined> {
  const result = await client.execute(
    'SELECT stream, partitions, dialect, watermark, stopped FROM streams WHERE stream = ?',
    [stream],
    { prepare: true },
  );
  const row = result.first() as types.Row | null;
  return row ? recordOf(row) : undefined;
}

function recordOf(row: types.Row): StreamRecord {
  const stopped = row['stopped'] as string | null;
  return {
    stream: row['stream'] as string,
    partitions: row['partitions'] as number,
    dialect: row['dialect'] as StreamRecord['dialect'],
    watermark: (row['watermark'] as bigint | null) ?? 0n,
    ...(stopped ? { stopped } : {}),
  };
}

/**
 * Records a stream at its first opening, and holds every later one against that record (I10).
 *
 * @throws {@link StreamMismatchError} if partitions or dialect differ from what is recorded
 */
export async function openStream(
  client: Client,
  stream: string,
  partitions: number,
  dialect: StreamRecord['dialect'],
): Promise<StreamRecord> {
  await client.execute(
    'INSERT INTO streams (stream, partitions, dialect, created_at) VALUES (?, ?, ?, ?) IF NOT EXISTS',
    [stream, partitions, dialect, new Date()],
    { prepare: true, isIdempotent: false },
  );
  const record = await readStream(client, stream);
  if (!record) throw new Error(`stream ${stream} was recorded but cannot be read back`);
  requirePartitions(record, partitions);
  if (record.dialect !== dialect)
    throw new StreamMismatchError(
      `stream ${stream} is recorded as ${record.dialect}, this ingest was started for a ${dialect} stream: ` +
        (record.dialect === 'classic' ? 'start it with --classic' : 'start it without --classic'),
    );
  return record;
}

/**
 * Holds a process's number of partitions against what is recorded (I10).
 *
 * @throws {@link StreamMismatchError} naming both
 */
export function requirePartitions({ stream, partitions: recorded }: StreamRecord, partitions: number): void {
  if (recorded === partitions) return;
  throw new StreamMismatchError(
    `stream ${stream} has ${recorded} partitions in the database, this process is configured for ` +
      `${partitions}: set SETTLED_PARTITIONS=${recorded}`,
  );
}

/** Writes why a stream stopped (JSON), or '' once it runs again. */
export async function writeStopped(client: Client, stream: string, stopped: string): Promise<void> {
  await client.execute('UPDATE streams SET stopped = ? WHERE stream = ?', [stopped, stream], {
    prepare: true,
  });
}
