/**
 * Rows of `ledger_entries`: one per version of a balance, append-only, written USING TIMESTAMP = version (I3) and
 * gathered by account into unlogged batches (I1a).
 */
import type { types } from 'cassandra-driver';
import type { BalanceKey } from '../domain/balance.ts';
import { entryBucket, type LedgerEntry } from '../domain/entries.ts';
import type { EventKind } from '../domain/event.ts';
import type { StepKind } from '../domain/legs.ts';
import { bigintCell, intCell, timeCell, wordCell } from './cells.ts';
import type { Statement } from './event-rows.ts';

const COLUMNS = [
  'user_id',
  'asset_id',
  'bucket',
  'version',
  'stream',
  'sequence',
  'event_kind',
  'event_id',
  'step',
  'available_change',
  'frozen_change',
  'available',
  'frozen',
  'chain',
  'time',
];

/** Column list for reads. */
export const ENTRY_COLUMN_LIST = COLUMNS.join(', ');

const INSERT_ENTRY = `INSERT INTO ledger_entries (${ENTRY_COLUMN_LIST}) VALUES (${COLUMNS.map(() => '?').join(', ')}) USING TIMESTAMP ?`;

/** The statement that writes an entry. */
export function entryStatement(entry: LedgerEntry): Statement {
  const version = bigintCell(entry.version);
  return {
    query: INSERT_ENTRY,
    params: [
      bigintCell(entry.userId),
      intCell(entry.assetId),
      bigintCell(entryBucket(entry.version)),
      version,
      wordCell(entry.stream),
      bigintCell(entry.sequence),
      wordCell(entry.eventKind),
      bigintCell(entry.eventId),
      wordCell(entry.step),
      bigintCell(entry.availableChange),
      bigintCell(entry.frozenChange),
      bigintCell(entry.availableAfter),
      bigintCell(entry.frozenAfter),
      entry.chain,
      timeCell(entry.timeMs),
      version,
    ],
  };
}

/** The query for which event brought a version of a balance. */
export function entryOriginQuery({ userId, assetId }: BalanceKey, version: bigint): Statement {
  return {
    query:
      'SELECT stream, sequence FROM ledger_entries WHERE user_id = ? AND asset_id = ? AND bucket = ? AND version = ?',
    params: [userId, assetId, entryBucket(version), version],
  };
}

/** A row as an entry. */
export function entryOf(row: types.Row): LedgerEntry {
  return {
    userId: row['user_id'] as bigint,
    assetId: row['asset_id'] as number,
    version: row['version'] as bigint,
    stream: row['stream'] as string,
    sequence: row['sequence'] as bigint,
    eventKind: row['event_kind'] as EventKind,
    eventId: row['event_id'] as bigint,
    step: row['step'] as StepKind,
    availableChange: row['available_change'] as bigint,
    frozenChange: row['frozen_change'] as bigint,
    availableAfter: row['available'] as bigint,
    frozenAfter: row['frozen'] as bigint,
    chain: row['chain'] as Buffer,
    timeMs: (row['time'] as Date).getTime(),
  };
}
