/**
 * The two JSON objects of the wire, field by field, as an engine states them. `fields` lists are the wire's order,
 * which is also the order of the digest's bytes (digest.ts) and of the encoder's output.
 */

/** First frame of every message. */
export const TOPIC = 'settlement';

/** A message above this many bytes (second frame) is rejected and kept. */
export const MESSAGE_BYTES_MAX = 16 * 1024;

/** The transport itself refuses a frame above this many bytes. */
export const TRANSPORT_BYTES_MAX = 1024 * 1024;

/**
 * What numbers a stream's events: `numbered` (ours: one counter over all events, ledger events carry `version`)
 * or `classic` (only trades are numbered, the engine cannot send again).
 */
export type Dialect = 'numbered' | 'classic';

/** Names and order of a trade's fields on the wire. All are JSON integers. */
export const TRADE_FIELDS = [
  'trade_id',
  'buy_order_id',
  'sell_order_id',
  'buyer_user_id',
  'seller_user_id',
  'price',
  'quantity',
  'base_asset',
  'quote_asset',
  'buyer_refund',
  'seller_refund',
  'match_seq',
  'output_sequence',
  'settled_at',
  'buyer_quote_version',
  'buyer_base_version',
  'seller_base_version',
  'seller_quote_version',
] as const;

/** Names and order of a ledger event's fields. All are JSON integers but `event_type`; a classic one has no `version`. */
export const LEDGER_FIELDS = [
  'user_id',
  'sequence_id',
  'event_type',
  'amount',
  'currency',
  'related_id',
  'created_at',
  'version',
] as const;

/** Words that `event_type` may be. WITHDRAW and WITHDRAWAL mean the same. */
export type LedgerWord = 'DEPOSIT' | 'WITHDRAW' | 'WITHDRAWAL' | 'LOCK' | 'UNLOCK';

/** A trade as it stands on the wire, every integer exact. Times are ms since the epoch, 0 where not stated. */
export type TradeMessage = Readonly<Record<(typeof TRADE_FIELDS)[number], bigint>>;

/** A ledger event as it stands on the wire. `version` is absent in a classic stream. */
export interface LedgerMessage {
  readonly user_id: bigint;
  readonly sequence_id: bigint;
  readonly event_type: LedgerWord;
  readonly amount: bigint;
  readonly currency: bigint;
  readonly related_id: bigint;
  readonly created_at: bigint;
  readonly version?: bigint;
}

/** Either message. A trade is told by its `trade_id`. */
export type Message = TradeMessage | LedgerMessage;
