/**
 * A chunk's rows: events as lines of text, a header naming the columns once. This is how events travel through
 * Temporal: lean, yet one readable line an event in the UI. A row begins with its sequence, so that the workflow can
 * tell rows apart without reading them. No Node built-ins: workflows import this file.
 */
import type { LedgerEvent, LedgerKind, SettlementEvent, Trade } from './event.ts';
import { ASSET_MAX, parseUint63, TIME_MS_MAX } from './integers.ts';

/** Columns of a trade's row, in order. `*` behind a time says that the ingest stamped it. */
export const TRADE_COLUMNS =
  'sequence trade buy_order sell_order buyer seller price quantity base quote buyer_refund seller_refund ' +
  'match_seq output_sequence time buyer_quote_version buyer_base_version seller_base_version ' +
  'seller_quote_version quote_amount predecessors';

/** Columns of a ledger event's row. `*` behind a version says that the ingest assigned it. */
export const LEDGER_COLUMNS =
  'sequence kind user asset amount version time sequence_id related_id predecessors';

/** An event as it travels: with the sequences of its predecessors, one per balance it touches (I1c). */
export interface RoutedEvent {
  readonly event: SettlementEvent;
  /** In the order of `touchesOf`; undefined where no event in flight comes before on that balance. */
  readonly predecessors: readonly (bigint | undefined)[];
}

/** Rows of one kind. */
export interface Rows {
  readonly columns: string;
  readonly rows: readonly string[];
}

/** The sequence at the beginning of a row, as decimal text. */
export function sequenceOfRow(row: string): string {
  const end = row.indexOf(' ');
  return end < 0 ? row : row.slice(0, end);
}

/** The row of an event. Exact inverse: {@link parseRow}. */
export function rowOf({ event, predecessors }: RoutedEvent): string {
  const time = event.stamped ? `${event.timeMs}*` : `${event.timeMs}`;
  const before = predecessors.every((one) => one === undefined)
    ? '-'
    : predecessors.map((one) => one ?? '-').join(',');
  if (event.kind !== 'trade') {
    const version = event.versionStated ? `${event.version}` : `${event.version}*`;
    return `${event.sequence} ${event.kind} ${event.userId} ${event.currency} ${event.amount} ${version} ${time} ${event.sequenceId} ${event.relatedId} ${before}`;
  }
  return (
    `${event.sequence} ${event.tradeId} ${event.buyOrderId} ${event.sellOrderId} ${event.buyerUserId} ` +
    `${event.sellerUserId} ${event.price} ${event.quantity} ${event.baseAsset} ${event.quoteAsset} ` +
    `${event.buyerRefund} ${event.sellerRefund} ${event.matchSeq} ${event.outputSequence} ${time} ` +
    `${event.buyerQuoteVersion} ${event.buyerBaseVersion} ${event.sellerBaseVersion} ` +
    `${event.sellerQuoteVersion} ${event.quoteAmount} ${before}`
  );
}

/**
 * Reads a row back.
 *
 * @throws RangeError naming the column and the row if it is none of ours
 */
export function parseRow(kind: 'trade' | 'ledger', row: string): RoutedEvent {
  return kind === 'trade' ? parseTrade(row) : parseLedger(row);
}

/** Where each column stands. */
function placesOf(columns: string): ReadonlyMap<string, number> {
  return new Map(columns.split(' ').map((name, place) => [name, place]));
}

const TRADE_PLACES = placesOf(TRADE_COLUMNS);
const LEDGER_PLACES = placesOf(LEDGER_COLUMNS);

/** A row taken apart. A fault is put into words only when there is one: rows come by the million. */
class Cells {
  readonly #row: string;
  readonly #places: ReadonlyMap<string, number>;
  readonly #values: readonly string[];

  constructor(row: string, places: ReadonlyMap<string, number>) {
    this.#row = row;
    this.#places = places;
    this.#values = row.split(' ');
    if (this.#values.length !== places.size)
      throw new RangeError(
        `chunk row has ${this.#values.length} columns instead of ${places.size}: "${row}"`,
      );
  }

  text(column: string): string {
    return this.#values[this.#places.get(column) ?? -1] ?? '';
  }

  int(column: string, text = this.text(column)): bigint {
    try {
      return parseUint63(text, column);
    } catch {
      // Said again with the row, which shows where the fault stands.
      return parseUint63(text, `${column} of row "${this.#row}"`);
    }
  }

  /** An integer that a `number` holds exactly. */
  within(column: string, max: number, text = this.text(column)): number {
    const value = this.int(column, text);
    if (value <= BigInt(max)) return Number(value);
    throw new RangeError(`${column} of row "${this.#row}": "${text}" is above ${max}`);
  }

  time(): { timeMs: number; stamped: boolean } {
    const text = this.text('time');
    const stamped = text.endsWith('*');
    return { timeMs: this.within('time', TIME_MS_MAX, stamped ? text.slice(0, -1) : text), stamped };
  }

  predecessors(): readonly (bigint | undefined)[] {
    const text = this.text('predecessors');
    if (text === '-') return [];
    return text.split(',').map((one) => (one === '-' ? undefined : this.int('predecessors', one)));
  }
}

function parseTrade(row: string): RoutedEvent {
  const cells = new Cells(row, TRADE_PLACES);
  const event: Trade = {
    kind: 'trade',
    sequence: cells.int('sequence'),
    tradeId: cells.int('trade'),
    buyOrderId: cells.int('buy_order'),
    sellOrderId: cells.int('sell_order'),
    buyerUserId: cells.int('buyer'),
    sellerUserId: cells.int('seller'),
    price: cells.int('price'),
    quantity: cells.int('quantity'),
    baseAsset: cells.within('base', ASSET_MAX),
    quoteAsset: cells.within('quote', ASSET_MAX),
    buyerRefund: cells.int('buyer_refund'),
    sellerRefund: cells.int('seller_refund'),
    matchSeq: cells.int('match_seq'),
    outputSequence: cells.int('output_sequence'),
    ...cells.time(),
    buyerQuoteVersion: cells.int('buyer_quote_version'),
    buyerBaseVersion: cells.int('buyer_base_version'),
    sellerBaseVersion: cells.int('seller_base_version'),
    sellerQuoteVersion: cells.int('seller_quote_version'),
    quoteAmount: cells.int('quote_amount'),
  };
  return { event, predecessors: cells.predecessors() };
}

const LEDGER_KINDS: readonly string[] = ['deposit', 'withdraw', 'lock', 'unlock'] satisfies LedgerKind[];

function parseLedger(row: string): RoutedEvent {
  const cells = new Cells(row, LEDGER_PLACES);
  const kind = cells.text('kind');
  if (!LEDGER_KINDS.includes(kind)) throw new RangeError(`"${kind}" is no ledger event: "${row}"`);
  const version = cells.text('version');
  const assigned = version.endsWith('*');
  const event: LedgerEvent = {
    kind: kind as LedgerKind,
    sequence: cells.int('sequence'),
    userId: cells.int('user'),
    sequenceId: cells.int('sequence_id'),
    amount: cells.int('amount'),
    currency: cells.within('asset', ASSET_MAX),
    relatedId: cells.int('related_id'),
    ...cells.time(),
    version: cells.int('version', assigned ? version.slice(0, -1) : version),
    versionStated: !assigned,
  };
  return { event, predecessors: cells.predecessors() };
}
