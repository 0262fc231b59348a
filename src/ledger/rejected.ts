/**
 * Rejected messages: what is no valid event, kept byte for byte with its reason and its place in the stream (I6).
 */
import type { Client } from 'cassandra-driver';
import { tradeDate } from './event-rows.ts';

/** A message that was refused. */
export interface RejectedMessage {
  readonly stream: string;
  readonly receivedAtMs: number;
  /** Fencing number of the ingest that received it. */
  readonly lease: bigint;
  /** Counts the messages that this ingest received. */
  readonly arrival: bigint;
  readonly reason: string;
  readonly faults: readonly string[];
  /** Its own sequence, if that could be read. */
  readonly sequence?: bigint | undefined;
  /** The last sequence accepted before it. */
  readonly afterSequence: bigint;
  readonly frames: readonly Buffer[];
}

const COLUMNS = 'stream, day, received_at, lease, arrival, reason, faults, after_sequence, frames';

/** Keeps a rejected message. Idempotent. */
export async function writeRejected(client: Client, message: RejectedMessage): Promise<void> {
  const known = message.sequence !== undefined;
  await client.execute(
    `INSERT INTO rejected_messages (${COLUMNS}${known ? ', sequence' : ''}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?${known ? ', ?' : ''})`,
    [
      message.stream,
      tradeDate(message.receivedAtMs),
      new Date(message.receivedAtMs),
      message.lease,
      message.arrival,
      message.reason,
      JSON.stringify(message.faults),
      message.afterSequence,
      [...message.frames],
      ...(known ? [message.sequence] : []),
    ],
    { prepare: true },
  );
}

/** All rejected messages of a stream, day by day, over the whole table by token range. */
export async function* readRejected(client: Client, stream: string): AsyncGenerator<RejectedMessage> {
  const result = await client.execute(`SELECT ${COLUMNS}, sequence FROM rejected_messages`, [], {
    prepare: true,
    fetchSize: 200,
  });
  for await (const row of result) {
    if (row['stream'] !== stream) continue;
    const sequence = row['sequence'] as bigint | null;
    yield {
      stream,
      receivedAtMs: (row['received_at'] as Date).getTime(),
      lease: row['lease'] as bigint,
      arrival: row['arrival'] as bigint,
      reason: row['reason'] as string,
      faults: JSON.parse(row['faults'] as string) as string[],
      afterSequence: row['after_sequence'] as bigint,
      frames: row['frames'] as Buffer[],
      ...(sequence === null ? {} : { sequence }),
    };
  }
}
