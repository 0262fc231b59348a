/**
 * Ledger entries, read from end to end. Within a partition (a balance's bucket) they come in order of their versions,
 * so each is seen together with the one before it, and the last settled one is the balance's end. Where a bucket begins
 * or is full its neighbour is asked: one small read for ten thousand entries.
 */
import type { types } from 'cassandra-driver';
import { balanceName, type BalanceKey } from '../domain/balance.ts';
import { genesisChain } from '../domain/chain.ts';
import { ENTRY_BUCKET_VERSIONS, entryBucket } from '../domain/entries.ts';
import { ENTRY_COLUMN_LIST, entryOf } from '../ledger/entry-rows.ts';
import { Cells } from './cells.ts';
import type { Finding } from './finding.ts';
import type { EndState, LinkedEntry, StateBefore } from './fingerprint.ts';
import { endOfEntry } from './in-flight.ts';
import type { Ring, RowSink } from './ring.ts';

const CELLS = new Cells('ledger_entries', ['user_id', 'asset_id', 'bucket', 'version'], ENTRY_COLUMN_LIST);
const NEIGHBOUR =
  'SELECT version, stream, sequence, available, frozen, chain FROM ledger_entries ' +
  'WHERE user_id = ? AND asset_id = ? AND bucket = ?';
const FIRST_OF_BUCKET = `${NEIGHBOUR} ORDER BY version ASC LIMIT 1`;
const ONE_VERSION = `${NEIGHBOUR} AND version = ?`;

/** Stands where the entry before is missing: no state of ours has it. */
const NO_STATE: StateBefore = { version: -1n, available: -1n, frozen: -1n, chain: Buffer.alloc(0) };

/** An entry's row. */
export interface EntryRow extends BalanceKey {
  readonly version: bigint;
  readonly findings: readonly Finding[];
  /** With what the row before says of the state before; undefined where a cell is missing. */
  readonly linked: LinkedEntry | undefined;
}

/** Who takes entries, and what the last settled one of each balance says. */
export interface EntryTaker {
  isSettled(stream: string, sequence: bigint): boolean;
  entry(row: EntryRow): void;
  end(end: EndState): void;
}

/** Reads all entries. */
export async function readEntries(ring: Ring, taker: EntryTaker): Promise<void> {
  await ring.scan(CELLS.select, 'user_id, asset_id, bucket', () => new EntrySink(ring, taker));
}

/** Follows the partitions of one token range. */
class EntrySink implements RowSink {
  readonly #ring: Ring;
  readonly #taker: EntryTaker;
  #key: (BalanceKey & { readonly bucket: bigint }) | undefined;
  #before: StateBefore = NO_STATE;
  #end: EndState | undefined;

  constructor(ring: Ring, taker: EntryTaker) {
    this.#ring = ring;
    this.#taker = taker;
  }

  row(row: types.Row): void | Promise<void> {
    const key = this.#key;
    if (key?.userId === row['user_id'] && key?.assetId === row['asset_id'] && key?.bucket === row['bucket']) {
      this.#take(row);
      return;
    }
    const finished = this.end();
    this.#key = {
      userId: row['user_id'] as bigint,
      assetId: row['asset_id'] as number,
      bucket: row['bucket'] as bigint,
    };
    this.#before = { version: 0n, available: 0n, frozen: 0n, chain: genesisChain(this.#key) };
    if (!finished && this.#key.bucket === 0n) {
      this.#take(row);
      return;
    }
    return this.#begin(row, finished);
  }

  end(): void | Promise<void> {
    const end = this.#end;
    const key = this.#key;
    this.#end = undefined;
    if (!end || !key) return;
    if (end.version % ENTRY_BUCKET_VERSIONS !== ENTRY_BUCKET_VERSIONS - 1n) this.#taker.end(end);
    else return this.#endUnlessContinued(end, key.bucket + 1n);
  }

  async #begin(row: types.Row, finished: void | Promise<void>): Promise<void> {
    await finished;
    const key = this.#key;
    if (key && key.bucket !== 0n) {
      const version = (row['version'] as bigint) - 1n;
      const before = await this.#ring.first(ONE_VERSION, [
        key.userId,
        key.assetId,
        entryBucket(version),
        version,
      ]);
      this.#before = before ? stateOf(before) : NO_STATE;
    }
    this.#take(row);
  }

  async #endUnlessContinued(end: EndState, bucket: bigint): Promise<void> {
    const next = await this.#ring.first(FIRST_OF_BUCKET, [end.userId, end.assetId, bucket]);
    const stream = next?.['stream'] as string | null | undefined;
    const sequence = next?.['sequence'] as bigint | null | undefined;
    if (next && (!stream || !sequence || this.#taker.isSettled(stream, sequence))) return;
    this.#taker.end(end);
  }

  #take(row: types.Row): void {
    const checked = entryRow(row, this.#before);
    this.#taker.entry(checked);
    if (checked.linked) {
      const { entry } = checked.linked;
      this.#before = {
        version: entry.version,
        available: entry.availableAfter,
        frozen: entry.frozenAfter,
        chain: entry.chain,
      };
      if (this.#taker.isSettled(entry.stream, entry.sequence)) this.#end = endOfEntry(entry);
    } else this.#before = NO_STATE;
  }
}

function entryRow(row: types.Row, before: StateBefore): EntryRow {
  const key = { userId: row['user_id'] as bigint, assetId: row['asset_id'] as number };
  const version = row['version'] as bigint;
  const place = `entry ${balanceName(key)} version ${version}`;
  const ids = { user: `${key.userId}`, asset: key.assetId, version: `${version}` };
  const cells = CELLS.faults(row, version, place, ids);
  const findings = [...cells.findings];
  const fault = (kind: 'cell' | 'negative-value', what: string, columns: readonly string[]): void => {
    findings.push({ kind, detail: `${place}: ${what}`, table: 'ledger_entries', ...ids, columns });
  };
  if (row['bucket'] !== entryBucket(version)) fault('cell', 'it stands in the wrong bucket', ['bucket']);
  if (cells.missing.length > 0) return { ...key, version, findings, linked: undefined };
  const entry = entryOf(row);
  const negative = [
    ...(entry.availableAfter < 0n ? ['available'] : []),
    ...(entry.frozenAfter < 0n ? ['frozen'] : []),
  ];
  if (negative.length > 0) fault('negative-value', `${negative.join(', ')} below zero`, negative);
  return { ...key, version, findings, linked: { entry, before } };
}

function stateOf(row: types.Row): StateBefore {
  const available = row['available'] as bigint | null;
  const frozen = row['frozen'] as bigint | null;
  const chain = row['chain'] as Buffer | null;
  return available === null || frozen === null || chain === null
    ? NO_STATE
    : { version: row['version'] as bigint, available, frozen, chain };
}
