/**
 * Rows of events: `settled_trades` and `ledger_events`. Absolute values, written USING TIMESTAMP = sequence (I2, I3),
 * with the legs in one cell and the run that settled them in another (I11). A row reads back as the event it was.
 */
import type { types } from 'cassandra-driver';
import type { CalculatedLeg } from '../domain/calculate.ts';
import type { LedgerEvent, LedgerKind, SettlementEvent, Trade } from '../domain/event.ts';
import type { DigestedEvent } from '../settlement/port.ts';
import { bigintCell, intCell, timeCell, wordCell } from './cells.ts';
import { decodeLegs, decodeVoidLegs, encodeLegs, encodeVoidLegs } from './legs-cell.ts';

/** Sequences per partition of `ledger_events` and of `stream_log`. */
export const SEQUENCE_BUCKET = 10_000n;

/** The bucket that holds a sequence. */
export function sequenceBucket(sequence: bigint): bigint {
  return sequence / SEQUENCE_BUCKET;
}

const TRADE_COLUMNS = [
  'trade_id',
  'stream',
  'output_sequence',
  'sequence',
  'buy_order_id',
  'sell_order_id',
  'buyer_user_id',
  'seller_user_id',
  'price',
  'quantity',
  'base_asset',
  'quote_asset',
  'quote_amount',
  'buyer_refund',
  'seller_refund',
  'match_seq',
  'settled_at',
  'time_stamped',
  'trade_date',
  'buyer_quote_version',
  'buyer_base_version',
  'seller_base_version',
  'seller_quote_version',
  'digest',
  'legs',
  'settled_by',
];

const LEDGER_COLUMNS = [
  'stream',
  'bucket',
  'sequence',
  'kind',
  'user_id',
  'sequence_id',
  'amount',
  'currency',
  'related_id',
  'created_at',
  'time_stamped',
  'version',
  'version_stated',
  'digest',
  'legs',
  'settled_by',
];

const insert = (table: string, columns: readonly string[]): string =>
  `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')}) USING TIMESTAMP ?`;

/** Set in the row of a dismissed event alone, and never null (I3). */
const DISMISSED = 'dismissed';

const INSERT_TRADE = insert('settled_trades', TRADE_COLUMNS);
const INSERT_LEDGER = insert('ledger_events', LEDGER_COLUMNS);
const INSERT_VOID_TRADE = insert('settled_trades', [...TRADE_COLUMNS, DISMISSED]);
const INSERT_VOID_LEDGER = insert('ledger_events', [...LEDGER_COLUMNS, DISMISSED]);

const TRADE_READ = [...TRADE_COLUMNS, DISMISSED].join(', ');
const LEDGER_READ = [...LEDGER_COLUMNS, DISMISSED].join(', ');

/** Reads one trade by its whole key. */
export const SELECT_TRADE = `SELECT ${TRADE_READ} FROM settled_trades WHERE trade_id = ? AND stream = ? AND output_sequence = ?`;
/** Reads every trade of an id: more than one means that the id was used twice. */
export const SELECT_TRADES_OF_ID = `SELECT ${TRADE_READ} FROM settled_trades WHERE trade_id = ?`;
/** Reads one ledger event. */
export const SELECT_LEDGER = `SELECT ${LEDGER_READ} FROM ledger_events WHERE stream = ? AND bucket = ? AND sequence = ?`;
/** Column lists for scans. */
export const TRADE_COLUMN_LIST = TRADE_READ;
export const LEDGER_COLUMN_LIST = LEDGER_READ;

/** A statement with its values, ready for a batch. */
export interface Statement {
  readonly query: string;
  readonly params: readonly unknown[];
}

/** An event's row read back. */
export interface EventRow extends DigestedEvent {
  readonly stream: string;
  /** Of a dismissed event those that took versions, with steps of kind `void`. */
  readonly legs: readonly CalculatedLeg[];
  /** True where a person passed the event over: it changed nothing. */
  readonly dismissed: boolean;
  /** JSON: workflow, run, chunk, time (I11). */
  readonly settledBy: string;
}

/** yyyymmdd of a time, UTC. */
export function tradeDate(timeMs: number): number {
  const date = new Date(timeMs);
  return date.getUTCFullYear() * 10_000 + (date.getUTCMonth() + 1) * 100 + date.getUTCDate();
}

/**
 * Size of an event's row without its texts, as the server counts it against its limit of a batch, bytes: values, and of
 * each cell its times. 668 and 382 on Cassandra 5.0.8, whatever the values.
 */
const TRADE_ROW_BYTES = 700;
const LEDGER_ROW_BYTES = 400;

/** The statement that writes an event's row, and the row's size in bytes as the server counts it (an estimate from above). */
export function eventStatement(
  stream: string,
  event: DigestedEvent,
  legs: readonly CalculatedLeg[],
  settledBy: string,
): { statement: Statement; bytes: number } {
  const { params, bytes } = valuesOf(stream, event, encodeLegs(legs), settledBy);
  const query = event.event.kind === 'trade' ? INSERT_TRADE : INSERT_LEDGER;
  return { statement: { query, params: [...params, bigintCell(event.event.sequence)] }, bytes };
}

/** The statement that writes the row of a dismissed event: as the engine stated it, with its void legs and the mark. */
export function voidStatement(
  stream: string,
  event: DigestedEvent,
  legs: readonly (CalculatedLeg | undefined)[],
  settledBy: string,
): Statement {
  const { params } = valuesOf(stream, event, encodeVoidLegs(legs), settledBy);
  const query = event.event.kind === 'trade' ? INSERT_VOID_TRADE : INSERT_VOID_LEDGER;
  return { query, params: [...params, true, bigintCell(event.event.sequence)] };
}

/** A row's values in the order of its columns. */
function valuesOf(
  stream: string,
  { event, digest }: DigestedEvent,
  cell: string,
  settledBy: string,
): { params: unknown[]; bytes: number } {
  const texts = Buffer.byteLength(cell) + Buffer.byteLength(settledBy) + Buffer.byteLength(stream);
  const bytes = (event.kind === 'trade' ? TRADE_ROW_BYTES : LEDGER_ROW_BYTES) + texts + digest.length;
  const time = timeCell(event.timeMs);
  const sequence = bigintCell(event.sequence);
  if (event.kind !== 'trade') {
    const params = [
      wordCell(stream),
      bigintCell(sequenceBucket(event.sequence)),
      sequence,
      wordCell(event.kind),
      bigintCell(event.userId),
      bigintCell(event.sequenceId),
      bigintCell(event.amount),
      intCell(event.currency),
      bigintCell(event.relatedId),
      time,
      event.stamped,
      bigintCell(event.version),
      event.versionStated,
      digest,
      cell,
      settledBy,
    ];
    return { params, bytes };
  }
  const params = [
    bigintCell(event.tradeId),
    wordCell(stream),
    bigintCell(event.outputSequence),
    sequence,
    bigintCell(event.buyOrderId),
    bigintCell(event.sellOrderId),
    bigintCell(event.buyerUserId),
    bigintCell(event.sellerUserId),
    bigintCell(event.price),
    bigintCell(event.quantity),
    intCell(event.baseAsset),
    intCell(event.quoteAsset),
    bigintCell(event.quoteAmount),
    bigintCell(event.buyerRefund),
    bigintCell(event.sellerRefund),
    bigintCell(event.matchSeq),
    time,
    event.stamped,
    intCell(tradeDate(event.timeMs)),
    bigintCell(event.buyerQuoteVersion),
    bigintCell(event.buyerBaseVersion),
    bigintCell(event.sellerBaseVersion),
    bigintCell(event.sellerQuoteVersion),
    digest,
    cell,
    settledBy,
  ];
  return { params, bytes };
}

/** The query for an event's own row. */
export function ownRowQuery(stream: string, event: SettlementEvent): Statement {
  return event.kind === 'trade'
    ? { query: SELECT_TRADE, params: [event.tradeId, stream, event.outputSequence] }
    : { query: SELECT_LEDGER, params: [stream, sequenceBucket(event.sequence), event.sequence] };
}

/** The trade of a `settled_trades` row. */
export function tradeOf(row: types.Row): Trade {
  return {
    kind: 'trade',
    sequence: row['sequence'] as bigint,
    timeMs: (row['settled_at'] as Date).getTime(),
    stamped: row['time_stamped'] as boolean,
    tradeId: row['trade_id'] as bigint,
    buyOrderId: row['buy_order_id'] as bigint,
    sellOrderId: row['sell_order_id'] as bigint,
    buyerUserId: row['buyer_user_id'] as bigint,
    sellerUserId: row['seller_user_id'] as bigint,
    price: row['price'] as bigint,
    quantity: row['quantity'] as bigint,
    baseAsset: row['base_asset'] as number,
    quoteAsset: row['quote_asset'] as number,
    buyerRefund: row['buyer_refund'] as bigint,
    sellerRefund: row['seller_refund'] as bigint,
    matchSeq: row['match_seq'] as bigint,
    outputSequence: row['output_sequence'] as bigint,
    quoteAmount: row['quote_amount'] as bigint,
    buyerQuoteVersion: row['buyer_quote_version'] as bigint,
    buyerBaseVersion: row['buyer_base_version'] as bigint,
    sellerBaseVersion: row['seller_base_version'] as bigint,
    sellerQuoteVersion: row['seller_quote_version'] as bigint,
  };
}

/** The ledger event of a `ledger_events` row. */
export function ledgerEventOf(row: types.Row): LedgerEvent {
  return {
    kind: row['kind'] as LedgerKind,
    sequence: row['sequence'] as bigint,
    timeMs: (row['created_at'] as Date).getTime(),
    stamped: row['time_stamped'] as boolean,
    userId: row['user_id'] as bigint,
    sequenceId: row['sequence_id'] as bigint,
    amount: row['amount'] as bigint,
    currency: row['currency'] as number,
    relatedId: row['related_id'] as bigint,
    version: row['version'] as bigint,
    versionStated: row['version_stated'] as boolean,
  };
}

/**
 * An event's row as the event, its legs and the run that settled it.
 *
 * @throws Error naming the event if a cell is missing or does not fit
 */
export function eventRowOf(table: 'settled_trades' | 'ledger_events', row: types.Row): EventRow {
  const event = table === 'settled_trades' ? tradeOf(row) : ledgerEventOf(row);
  const dismissed = row[DISMISSED] === true;
  const cell = row['legs'] as string;
  return {
    stream: row['stream'] as string,
    event,
    digest: row['digest'] as Buffer,
    legs: dismissed
      ? decodeVoidLegs(cell, event).filter((leg) => leg !== undefined)
      : decodeLegs(cell, event),
    dismissed,
    settledBy: row['settled_by'] as string,
  };
}
