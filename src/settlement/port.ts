/**
 * The port through which the settler sees storage. `src/ledger` implements it on Cassandra; a simulation may implement
 * it in memory. It promises nothing about order: ordering, grouping and repeating are the settler's.
 */
import type { Balance, BalanceKey } from '../domain/balance.ts';
import type { CalculatedLeg } from '../domain/calculate.ts';
import type { LedgerEntry } from '../domain/entries.ts';
import type { SettlementEvent } from '../domain/event.ts';
import type { Touch } from '../domain/legs.ts';

/** A balance as storage has it. A missing row reads as version 0 with zeros and the genesis chain. */
export interface StoredBalance extends Balance, BalanceKey {
  /** False if the write time of any of its cells is not its version (I3): somebody wrote it by hand. */
  readonly writeTimeNormal: boolean;
}

/** An event with the digest of what the engine stated. */
export interface DigestedEvent {
  readonly event: SettlementEvent;
  /** 32 bytes (domain/digest.ts). */
  readonly digest: Buffer;
}

/** An event's own row, as far as it matters to the decision and to writing its entries again. */
export interface StoredEventRow {
  readonly digest: Buffer;
  readonly entries: readonly LedgerEntry[];
  /** Of a dismissed event the balances whose versions it took; those alone must have moved for it to be settled. */
  readonly dismissed?: readonly Touch[];
}

/** A calculated event, made ready for a batch. `row` is the storage's own business. */
export interface EncodedEvent {
  readonly row: unknown;
  /** Size of its row as the server counts it, bytes; an upper bound. */
  readonly bytes: number;
}

/** A balance at the version that a batch leaves it at. */
export interface BalanceWrite extends BalanceKey {
  readonly balance: Balance;
  /** Time of the event that brought this version, ms. */
  readonly timeMs: number;
}

/** One LOGGED BATCH: whole events, and every balance they change, once, at its last version (I1). */
export interface SettlementBatch {
  readonly events: readonly EncodedEvent[];
  readonly balances: readonly BalanceWrite[];
}

/**
 * How a write ended. `pending`: it timed out, of whatever write type, so it is neither done nor failed (I5).
 * Any other failure is thrown.
 */
export type WriteEnding = 'written' | 'pending';

/** Storage as the settler needs it. All at LOCAL_QUORUM or stronger (I5a). Reads and writes throw on failure. */
export interface SettlementStorage {
  /** The highest sequence up to which everything is settled; 0 for a new stream. */
  readWatermark(stream: string): Promise<bigint>;
  /** The balances, in the order of the keys. Bounds its own concurrency. */
  readBalances(keys: readonly BalanceKey[]): Promise<StoredBalance[]>;
  /** The events' own rows, in their order; undefined where there is none. Bounds its own concurrency. */
  readEventRows(stream: string, events: readonly DigestedEvent[]): Promise<(StoredEventRow | undefined)[]>;
  /** Encodes a calculated event's row. Pure. */
  encodeEvent(
    stream: string,
    event: DigestedEvent,
    legs: readonly CalculatedLeg[],
    settledBy: string,
  ): EncodedEvent;
  /** Size of one balance in a batch as the server counts it, bytes; an upper bound. */
  readonly balanceBytesMax: number;
  /** Sends one LOGGED BATCH. */
  writeBatch(batch: SettlementBatch): Promise<WriteEnding>;
  /** Writes entries, at most `entriesPerWriteMax`, in one unlogged batch (I1a). */
  writeEntries(entries: readonly LedgerEntry[]): Promise<WriteEnding>;
  readonly entriesPerWriteMax: number;
}

/** The row under an event's own key, as a dismissal sees it. */
export type StoredVoidRow =
  /** The event, settled as the engine stated it. */
  | { readonly kind: 'settled' }
  /** Something else stands there. */
  | { readonly kind: 'other' }
  /** The event, dismissed: as its row has it, so that it can be written again byte for byte. */
  | ({
      readonly kind: 'dismissed';
      readonly legs: readonly (CalculatedLeg | undefined)[];
      readonly settledBy: string;
    } & DigestedEvent);

/** The event that a ledger entry follows from. */
export interface EntryOrigin {
  readonly stream: string;
  readonly sequence: bigint;
}

/** Storage as a dismissal needs it. The same promises as {@link SettlementStorage}'s. */
export interface VoidStorage extends Pick<
  SettlementStorage,
  'readWatermark' | 'readBalances' | 'writeBatch' | 'writeEntries'
> {
  /** The row under the event's own key; undefined where there is none. */
  readVoidRow(stream: string, event: DigestedEvent): Promise<StoredVoidRow | undefined>;
  /** The event that brought a version, by its ledger entry; undefined where there is none. */
  readEntryOrigin(key: BalanceKey, version: bigint): Promise<EntryOrigin | undefined>;
  /** Encodes a dismissed event's row. Pure. */
  encodeVoid(
    stream: string,
    event: DigestedEvent,
    legs: readonly (CalculatedLeg | undefined)[],
    settledBy: string,
  ): EncodedEvent;
}
