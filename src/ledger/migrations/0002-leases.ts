/**
 * Migration 2: what a standby ingest must see of a lease to know whether its holder still renews it: who it is, for
 * programs, how long one renewal is good for, and how many there were. A row without `holder_id` is free.
 */
import type { Migration } from '../migrate.ts';

/** Adds the columns of leases that run out. */
export const leases: Migration = {
  version: 2,
  name: 'leases',
  tables: [],
  statements: [
    'ALTER TABLE leases ADD IF NOT EXISTS holder_id text',
    'ALTER TABLE leases ADD IF NOT EXISTS duration_ms int',
    'ALTER TABLE leases ADD IF NOT EXISTS renewal bigint',
  ],
};
