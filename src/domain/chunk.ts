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

function cells(row: string, columns: string): (column: string) => string {
  const names = columns.split(' ');
  const values = row.split(' ');
  if (values.length !== names.length)
    throw new RangeError(`chunk row has ${values.length} columns instead of ${names.length}: "${row}"`);
  return (column) => values[names.indexOf(column)] ?? '';
}

function parseTrade(row: string): RoutedEvent {
  const cell = cells(row, TRADE_COLUMNS);
  const int = (column: string): bigint => parseUint63(cell(column), `${column} of row "${row}"`);
  const event: Trade = {
    kind: 'trade',
    sequence: int('sequence'),
    tradeId: int('trade'),
    buyOrderId: int('buy_order'),
    sellOrderId: int('sell_order'),
    buyerUserId: int('buyer'),
    sellerUserId: int('seller'),
    price: int('price'),
    quantity: int('quantity'),
    baseAsset: parseWithin(cell('base'), ASSET_MAX, `base of row "${row}"`),
    quoteAsset: parseWithin(cell('quote'), ASSET_MAX, `quote of row "${row}"`),
    buyerRefund: int('buyer_refund'),
    sellerRefund: int('seller_refund'),
    matchSeq: int('match_seq'),
    outputSequence: int('output_sequence'),
    ...parseTime(cell('time'), row),
    buyerQuoteVersion: int('buyer_quote_version'),
    buyerBaseVersion: int('buyer_base_version'),
    sellerBaseVersion: int('seller_base_version'),
    sellerQuoteVersion: int('seller_quote_version'),
    quoteAmount: int('quote_amount'),
  };
  return { event, predecessors: parsePredecessors(cell('predecessors'), row) };
}

const LEDGER_KINDS: readonly string[] = ['deposit', 'withdraw', 'lock', 'unlock'] satisfies LedgerKind[];

function parseLedger(row: string): RoutedEvent {
  const cell = cells(row, LEDGER_COLUMNS);
  const int = (column: string): bigint => parseUint63(cell(column), `${column} of row "${row}"`);
  const kind = cell('kind');
  if (!LEDGER_KINDS.includes(kind)) throw new RangeError(`"${kind}" is no ledger event: "${row}"`);
  const version = cell('version');
  const assigned = version.endsWith('*');
  const event: LedgerEvent = {
    kind: kind as LedgerKind,
    sequence: int('sequence'),
    userId: int('user'),
    sequenceId: int('sequence_id'),
    amount: int('amount'),
    currency: parseWithin(cell('asset'), ASSET_MAX, `asset of row "${row}"`),
    relatedId: int('related_id'),
    ...parseTime(cell('time'), row),
    version: parseUint63(assigned ? version.slice(0, -1) : version, `version of row "${row}"`),
    versionStated: !assigned,
  };
  return { event, predecessors: parsePredecessors(cell('predecessors'), row) };
}

function parseTime(text: string, row: string): { timeMs: number; stamped: boolean } {
  const stamped = text.endsWith('*');
  const timeMs = parseWithin(stamped ? text.slice(0, -1) : text, TIME_MS_MAX, `time of row "${row}"`);
  return { timeMs, stamped };
}

/** Reads an integer that a `number` holds exactly. */
function parseWithin(text: string, max: number, what: string): number {
  const value = parseUint63(text, what);
  if (value <= BigInt(max)) return Number(value);
  throw new RangeError(`${what}: "${text}" is above ${max}`);
}

function parsePredecessors(text: string, row: string): readonly (bigint | undefined)[] {
  if (text === '-') return [];
  return text
    .split(',')
    .map((one) => (one === '-' ? undefined : parseUint63(one, `predecessors of row "${row}"`)));
}
