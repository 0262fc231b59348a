/**
 * Migration 3: the mark of a dismissed event. `dismissed` is true in the row of an event that a person passed over and
 * that was settled as void, and unset in every other row. Readers who sum trades leave such rows out.
 */
import type { Migration } from '../migrate.ts';

/** Adds the mark to both tables of events. */
export const dismissed: Migration = {
  version: 3,
  name: 'dismissed',
  tables: [],
  statements: [
    'ALTER TABLE settled_trades ADD IF NOT EXISTS dismissed boolean',
    'ALTER TABLE ledger_events ADD IF NOT EXISTS dismissed boolean',
  ],
};
