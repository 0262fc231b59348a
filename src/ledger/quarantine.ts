/**
 * Quarantined events: valid events that conflict with the balances, kept with what was expected and found, so that a
 * person can look, and what people decided about them, so that a workflow's new run knows it too (I6). Findings
 * are written at the default clock: the newest stands; of decisions the last one does.
 */
import type { Client, types } from 'cassandra-driver';
import { parseRow } from '../domain/chunk.ts';
import type { ConflictReason } from '../domain/decision.ts';
import type { EventKind, SettlementEvent } from '../domain/event.ts';

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
  readonly decision?: Decided;
}

/**
 * What a person decided.
 * - `resume`, `retry`: the event is decided again.
 * - `dismiss`: it is passed over; its void is being written. No way back: an attempt at it may be under way anywhere.
 * - `dismissed`: its void is written, and the event will not be settled otherwise.
 */
export type DecisionWord = 'resume' | 'retry' | 'dismiss' | 'dismissed';

/** No decision gives way to one before it here. */
const FINALITY: Readonly<Record<DecisionWord, number>> = { resume: 0, retry: 0, dismiss: 1, dismissed: 2 };

/** A decision as it is kept. */
export interface Decided {
  readonly word: DecisionWord;
  readonly who: string;
  readonly why: string;
  readonly atMs: number;
}

const FOUND_COLUMNS =
  'stream, sequence, partition, kind, id, reason, user_id, asset_id, expected, found, found_at, row';
const COLUMNS = `${FOUND_COLUMNS}, decision, decided_by, decided_why, decided_at`;

/** Keeps a conflict; the newest finding about an event stands. */
export async function writeQuarantined(
  client: Client,
  event: Omit<QuarantinedEvent, 'decision'>,
): Promise<void> {
  await client.execute(
    `INSERT INTO quarantined_events (${FOUND_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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

/**
 * Keeps a person's decision about a quarantined event, unless a later step of its dismissal stands there: a dismissal that is
 * done is not begun again, and one that was begun is not let go, by an attempt that nobody hears any more. It is written at a
 * later time than what is there, whatever the clock of whoever wrote that said.
 */
export async function writeDecision(
  client: Client,
  stream: string,
  sequence: bigint,
  { word, who, why, atMs }: Decided,
): Promise<void> {
  const before = await client.execute(
    'SELECT decision, WRITETIME(decision) AS written FROM quarantined_events WHERE stream = ? AND sequence = ?',
    [stream, sequence],
    { prepare: true },
  );
  const row = before.first() as types.Row | null;
  const standing = (row?.['decision'] ?? 'resume') as DecisionWord;
  if (FINALITY[standing] > FINALITY[word]) return;
  const written = (row?.['written'] ?? 0n) as bigint;
  const now = BigInt(Date.now()) * 1_000n;
  const time = written >= now ? written + 1n : now;
  await client.execute(
    'UPDATE quarantined_events USING TIMESTAMP ? SET decision = ?, decided_by = ?, decided_why = ?, decided_at = ? WHERE stream = ? AND sequence = ?',
    [time, word, who, why, new Date(atMs), stream, sequence],
    { prepare: true },
  );
}

/** The quarantined events of a stream, by sequence. */
export async function readQuarantined(client: Client, stream: string): Promise<QuarantinedEvent[]> {
  const query = `SELECT ${COLUMNS} FROM quarantined_events WHERE stream = ?`;
  const result = await client.execute(query, [stream], { prepare: true });
  const events: QuarantinedEvent[] = [];
  for await (const row of result) events.push(quarantinedOf(row));
  return events;
}

/** One quarantined event; undefined where nothing was ever found about it. */
export async function readQuarantinedEvent(
  client: Client,
  stream: string,
  sequence: bigint,
): Promise<QuarantinedEvent | undefined> {
  const query = `SELECT ${COLUMNS} FROM quarantined_events WHERE stream = ? AND sequence = ?`;
  const result = await client.execute(query, [stream, sequence], { prepare: true });
  const row = result.first() as types.Row | null;
  return row?.['row'] ? quarantinedOf(row) : undefined;
}

/** The event of a line that a person dismissed; undefined where nobody did. It may have no row of its own. */
export async function readDismissedEvent(
  client: Client,
  stream: string,
  { sequence, kind }: Pick<QuarantinedEvent, 'sequence' | 'kind'>,
): Promise<SettlementEvent | undefined> {
  const kept = await readQuarantinedEvent(client, stream, sequence);
  if (kept?.decision?.word !== 'dismissed') return undefined;
  return parseRow(kind === 'trade' ? 'trade' : 'ledger', kept.row).event;
}

function quarantinedOf(row: types.Row): QuarantinedEvent {
  const word = row['decision'] as DecisionWord | null;
  return {
    stream: row['stream'] as string,
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
    ...(word === null
      ? {}
      : {
          decision: {
            word,
            who: (row['decided_by'] as string | null) ?? '',
            why: (row['decided_why'] as string | null) ?? '',
            atMs: (row['decided_at'] as Date | null)?.getTime() ?? 0,
          },
        }),
  };
}
