/**
 * Migration 1: the tables of the design. `user_balances` and `settled_trades` are a public contract for readers.
 * Money, ids and versions are `bigint`, assets `int`, times `timestamp`. Tables keep blocking read repair (I5a), have
 * no default TTL, and are never deleted from (I3).
 */
import type { Migration } from '../migrate.ts';

const DURABLE = `read_repair = 'BLOCKING' AND default_time_to_live = 0`;

/** Creates every table of the design. */
export const tables: Migration = {
  version: 1,
  name: 'tables',
  tables: [
    'user_balances',
    'settled_trades',
    'ledger_events',
    'ledger_entries',
    'stream_log',
    'streams',
    'leases',
    'rejected_messages',
    'quarantined_events',
    'audit_runs',
    'audit_findings',
  ],
  statements: [
    `CREATE TABLE IF NOT EXISTS user_balances (
      user_id bigint, asset_id int, available bigint, frozen bigint, version bigint, updated_at timestamp,
      last_sequence bigint, chain blob,
      PRIMARY KEY (user_id, asset_id)
    ) WITH comment = 'One row a balance; written USING TIMESTAMP = version' AND ${DURABLE}`,
    `CREATE TABLE IF NOT EXISTS settled_trades (
      trade_id bigint, stream text, output_sequence bigint, sequence bigint,
      buy_order_id bigint, sell_order_id bigint, buyer_user_id bigint, seller_user_id bigint,
      price bigint, quantity bigint, base_asset int, quote_asset int, quote_amount bigint,
      buyer_refund bigint, seller_refund bigint, match_seq bigint,
      settled_at timestamp, time_stamped boolean, trade_date int,
      buyer_quote_version bigint, buyer_base_version bigint, seller_base_version bigint, seller_quote_version bigint,
      digest blob, legs text, settled_by text,
      PRIMARY KEY ((trade_id), stream, output_sequence)
    ) WITH comment = 'One row a trade; written USING TIMESTAMP = sequence' AND ${DURABLE}`,
    `CREATE TABLE IF NOT EXISTS ledger_events (
      stream text, bucket bigint, sequence bigint, kind text, user_id bigint, sequence_id bigint, amount bigint,
      currency int, related_id bigint, created_at timestamp, time_stamped boolean, version bigint,
      version_stated boolean, digest blob, legs text, settled_by text,
      PRIMARY KEY ((stream, bucket), sequence)
    ) WITH comment = 'One row a deposit, withdraw, lock or unlock; bucket = sequence / 10000' AND ${DURABLE}`,
    `CREATE TABLE IF NOT EXISTS ledger_entries (
      user_id bigint, asset_id int, bucket bigint, version bigint, stream text, sequence bigint,
      event_kind text, event_id bigint, step text,
      available_change bigint, frozen_change bigint, available bigint, frozen bigint, chain blob, time timestamp,
      PRIMARY KEY ((user_id, asset_id, bucket), version)
    ) WITH comment = 'One row a version of a balance, immutable; bucket = version / 10000' AND ${DURABLE}`,
    `CREATE TABLE IF NOT EXISTS stream_log (
      stream text, bucket bigint, sequence bigint, kind text, id bigint, digest blob, lease bigint,
      PRIMARY KEY ((stream, bucket), sequence)
    ) WITH comment = 'The intake: one line a sequence; bucket = sequence / 10000' AND ${DURABLE}`,
    `CREATE TABLE IF NOT EXISTS streams (
      stream text PRIMARY KEY, partitions int, dialect text, created_at timestamp, watermark bigint, stopped text
    ) WITH comment = 'watermark is written USING TIMESTAMP = watermark, so it never goes back'`,
    `CREATE TABLE IF NOT EXISTS leases (
      stream text PRIMARY KEY, lease bigint, holder text, until timestamp
    ) WITH comment = 'Which ingest may feed a stream; lightweight transactions only'`,
    `CREATE TABLE IF NOT EXISTS rejected_messages (
      stream text, day int, received_at timestamp, lease bigint, arrival bigint, reason text, faults text,
      sequence bigint, after_sequence bigint, frames frozen<list<blob>>,
      PRIMARY KEY ((stream, day), received_at, lease, arrival)
    ) WITH comment = 'Messages that are no valid event, byte for byte'`,
    `CREATE TABLE IF NOT EXISTS quarantined_events (
      stream text, sequence bigint, partition int, kind text, id bigint, reason text, user_id bigint, asset_id int,
      expected bigint, found bigint, found_at timestamp, row text,
      decision text, decided_by text, decided_why text, decided_at timestamp,
      PRIMARY KEY (stream, sequence)
    ) WITH comment = 'Valid events that conflict, and what people decided'`,
    `CREATE TABLE IF NOT EXISTS audit_runs (
      stream text, started_at timestamp, finished_at timestamp, watermark bigint, ok boolean, counts text,
      PRIMARY KEY (stream, started_at)
    ) WITH CLUSTERING ORDER BY (started_at DESC)`,
    `CREATE TABLE IF NOT EXISTS audit_findings (
      stream text, started_at timestamp, number int, kind text, detail text,
      PRIMARY KEY ((stream, started_at), number)
    )`,
  ],
};
