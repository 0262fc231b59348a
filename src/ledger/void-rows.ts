/** The row under an event's own key, as a dismissal sees it: settled, dismissed, or somebody else's. */
import type { types } from 'cassandra-driver';
import type { DigestedEvent, StoredVoidRow } from '../settlement/port.ts';
import { ledgerEventOf, tradeOf } from './event-rows.ts';
import { decodeVoidLegs } from './legs-cell.ts';

/** Reads it. One that can't be read as this event was not written by us so: it counts as other content. */
export function storedVoidRow({ event, digest }: DigestedEvent, row: types.Row): StoredVoidRow {
  const stored = row['digest'] as Buffer | null;
  if (!stored?.equals(digest)) return { kind: 'other' };
  if (row['dismissed'] !== true) return { kind: 'settled' };
  try {
    const own = event.kind === 'trade' ? tradeOf(row) : ledgerEventOf(row);
    return {
      kind: 'dismissed',
      event: own,
      digest,
      legs: decodeVoidLegs(row['legs'] as string, own),
      settledBy: row['settled_by'] as string,
    };
  } catch {
    return { kind: 'other' };
  }
}
