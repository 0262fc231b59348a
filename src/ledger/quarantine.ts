/**
 * Quarantined events: valid events that conflict with the balances, kept with what was expected and found, so that a
 * person can look and a workflow's new run can tell why its partition is halted (I6).
 */
import type { Client } from 'cassandra-driver';
import type { ConflictReason } from '../domain/decision.ts';
import type { EventKind } from '../domain/event.ts';

/** A conflict as it is kept. */
export interface QuarantinedEvent {
  readonly stream: string;
  readonly sequence: bigint;
  readonly partition: number;
  readonly kind: EventKind;
  readonly id: bigint;
  readonly reason: ConflictReason;
  readonly userId: bigint;
  readonly assetId: number;
  readonly expected: bigint;
  readonly found: bigint;
  readonly foundAtMs: number;
  /** The event as a chunk's row (domain/chunk.ts). */
  readonly row: string;
}

const COLUMNS =
  'stream, sequence, partition, kind, id, reason, user_id, asset_id, expected, found, found_at, row';

/** Keeps a conflict; the newest finding about an event stands. */
export async function writeQuarantined(client: Client, event: QuarantinedEvent): Promise<void> {
  await client.execute(
    `INSERT INTO quarantined_events (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      event.stream,
      event.sequence,
      event.partition,
      event.kind,
      event.id,
      event.reason,
      event.userId,
      event.assetId,
      event.expected,
      event.found,
      new Date(event.foundAtMs),
      event.row,
    ],
    { prepare: true },
  );
}

/** The quarantined events of a stream, by sequence. */
export async function readQuarantined(client: Client, stream: string): Promise<QuarantinedEvent[]> {
  const result = await client.execute(
    `SELECT ${COLUMNS} FROM quarantined_events WHERE stream = ?`,
    [stream],
    {
      prepare: true,
    },
  );
  const events: QuarantinedEvent[] = [];
  for await (const row of result)
    events.push({
      stream,
      sequence: row['sequence'] as bigint,
      partition: row['partition'] as number,
      kind: row['kind'] as EventKind,
      id: row['id'] as bigint,
      reason: row['reason'] as ConflictReason,
      userId: row['user_id'] as bigint,
      assetId: row['asset_id'] as number,
      expected: row['expected'] as bigint,
      found: row['found'] as bigint,
      foundAtMs: (row['found_at'] as Date).getTime(),
      row: row['row'] as string,
    });
  return events;
}
