/**
 * The settler's port on Cassandra. Reads are bounded and parallel; a write that times out, of whatever write type, is
 * reported as pending and left to the settler (I5); everything is at LOCAL_QUORUM (I5a).
 */
import { errors, types, type Client } from 'cassandra-driver';
import pLimit from 'p-limit';
import { balanceName, type BalanceKey } from '../domain/balance.ts';
import type { CalculatedLeg } from '../domain/calculate.ts';
import { entriesOf, type LedgerEntry } from '../domain/entries.ts';
import type { SettlementEvent } from '../domain/event.ts';
import { voidTouchesOf } from '../domain/void.ts';
import type {
  EntryOrigin,
  DigestedEvent,
  EncodedEvent,
  SettlementBatch,
  SettlementStorage,
  StoredBalance,
  StoredEventRow,
  StoredVoidRow,
  VoidStorage,
  WriteEnding,
} from '../settlement/port.ts';
import {
  BALANCE_BYTES_MAX,
  balanceOf,
  balanceReads,
  balanceStatement,
  missingBalance,
  SELECT_BALANCES,
} from './balance-rows.ts';
import { entryOriginQuery, entryStatement } from './entry-rows.ts';
import { eventRowOf, eventStatement, ownRowQuery, voidStatement, type Statement } from './event-rows.ts';
import { storedVoidRow } from './void-rows.ts';
import { readWatermark } from './streams.ts';

/** Bounds and consistency of {@link CassandraStorage}. */
export interface StorageOptions {
  /** Reads at once; thousands at once time out in the driver. @default 256 */
  readonly readsInFlightMax?: number;
  readonly readConsistency?: types.consistencies;
  readonly writeConsistency?: types.consistencies;
}

/** Entries per unlogged batch: about 9 KiB. */
const ENTRIES_PER_WRITE_MAX = 50;

/** The digest of a row that says nothing: no event's. */
const NO_DIGEST = Buffer.alloc(0);

const WRITE_TIMEOUT: number = types.responseErrorCodes.writeTimeout;

/** True if a request timed out: whether it was carried out is unknown. */
export function isTimeout(error: unknown): boolean {
  if (error instanceof errors.OperationTimedOutError) return true;
  return error instanceof errors.ResponseError && error.code === WRITE_TIMEOUT;
}

/** An event's own row. One that can't be read as an event was not written by us so: it counts as other content. */
function storedRow(stream: string, event: SettlementEvent, row: types.Row): StoredEventRow {
  try {
    const stored = eventRowOf(event.kind === 'trade' ? 'settled_trades' : 'ledger_events', row);
    // A missing cell is null here, whatever the types say.
    const digest = (stored.digest as Buffer | null) ?? NO_DIGEST;
    const entries = entriesOf(stream, stored.event, stored.legs);
    return stored.dismissed
      ? { digest, entries, dismissed: voidTouchesOf(stored.legs) }
      : { digest, entries };
  } catch {
    return { digest: NO_DIGEST, entries: [] };
  }
}

/** Implements the ports of settler and dismissals with one driver client. */
export class CassandraStorage implements SettlementStorage, VoidStorage {
  readonly balanceBytesMax = BALANCE_BYTES_MAX;
  readonly entriesPerWriteMax = ENTRIES_PER_WRITE_MAX;
  readonly #client: Client;
  readonly #bounded: ReturnType<typeof pLimit>;
  readonly #readConsistency: types.consistencies;
  readonly #writeConsistency: types.consistencies;

  constructor(client: Client, options: StorageOptions = {}) {
    this.#client = client;
    this.#bounded = pLimit(options.readsInFlightMax ?? 256);
    this.#readConsistency = options.readConsistency ?? types.consistencies.localQuorum;
    this.#writeConsistency = options.writeConsistency ?? types.consistencies.localQuorum;
  }

  readWatermark(stream: string): Promise<bigint> {
    return readWatermark(this.#client, stream, this.#readConsistency);
  }

  async readBalances(keys: readonly BalanceKey[]): Promise<StoredBalance[]> {
    const found = new Map<string, StoredBalance>();
    await Promise.all(
      balanceReads(keys).map(({ users, assets }) =>
        this.#bounded(async () => {
          const result = await this.#read({ query: SELECT_BALANCES, params: [users, assets] });
          for (const row of result.rows) {
            const balance = balanceOf(row);
            found.set(balanceName(balance), balance);
          }
        }),
      ),
    );
    return keys.map((key) => found.get(balanceName(key)) ?? missingBalance(key));
  }

  readEventRows(stream: string, events: readonly DigestedEvent[]): Promise<(StoredEventRow | undefined)[]> {
    return Promise.all(
      events.map(({ event }) =>
        this.#bounded(async () => {
          const result = await this.#read(ownRowQuery(stream, event));
          const row = result.first() as types.Row | null;
          if (!row) return undefined;
          return storedRow(stream, event, row);
        }),
      ),
    );
  }

  encodeEvent(
    stream: string,
    event: DigestedEvent,
    legs: readonly CalculatedLeg[],
    settledBy: string,
  ): EncodedEvent {
    const { statement, bytes } = eventStatement(stream, event, legs, settledBy);
    return { row: statement, bytes };
  }

  async readVoidRow(stream: string, event: DigestedEvent): Promise<StoredVoidRow | undefined> {
    const row = (await this.#read(ownRowQuery(stream, event.event))).first() as types.Row | null;
    return row ? storedVoidRow(event, row) : undefined;
  }

  async readEntryOrigin(key: BalanceKey, version: bigint): Promise<EntryOrigin | undefined> {
    const row = (await this.#read(entryOriginQuery(key, version))).first() as types.Row | null;
    return row ? { stream: row['stream'] as string, sequence: row['sequence'] as bigint } : undefined;
  }

  encodeVoid(
    stream: string,
    event: DigestedEvent,
    legs: readonly (CalculatedLeg | undefined)[],
    settledBy: string,
  ): EncodedEvent {
    // Alone in its batch, far below any bound.
    return { row: voidStatement(stream, event, legs, settledBy), bytes: 0 };
  }

  writeBatch(batch: SettlementBatch): Promise<WriteEnding> {
    const statements = [
      ...batch.events.map((event) => event.row as Statement),
      ...batch.balances.map((balance) => balanceStatement(balance)),
    ];
    return this.#write(statements, true);
  }

  writeEntries(entries: readonly LedgerEntry[]): Promise<WriteEnding> {
    return this.#write(
      entries.map((entry) => entryStatement(entry)),
      false,
    );
  }

  #read({ query, params }: Statement): Promise<types.ResultSet> {
    return this.#client.execute(query, params as unknown[], {
      prepare: true,
      isIdempotent: true,
      consistency: this.#readConsistency,
    });
  }

  async #write(statements: readonly Statement[], logged: boolean): Promise<WriteEnding> {
    try {
      // The driver changes neither the list nor what is in it, whatever its types say.
      await this.#client.batch(statements as { query: string; params: unknown[] }[], {
        prepare: true,
        logged,
        isIdempotent: true,
        consistency: this.#writeConsistency,
      });
      return 'written';
    } catch (error) {
      if (isTimeout(error)) return 'pending';
      throw error;
    }
  }
}
