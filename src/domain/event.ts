/**
 * The events of a stream: what an engine stated, decoded and exact, with the sequence under which it is settled.
 * Everything here is a plain immutable value. Money, ids, sequences and versions are `bigint` (I8).
 */

/** What a ledger event does. `WITHDRAW` and `WITHDRAWAL` on the wire are both `withdraw` here. */
export type LedgerKind = 'deposit' | 'withdraw' | 'lock' | 'unlock';

/** The kind of any event. */
export type EventKind = 'trade' | LedgerKind;

/** Fields that every event has, whatever it says. */
interface EventBase {
  /** Its number in the stream, ≥ 1, without holes over trades and ledger events alike. */
  readonly sequence: bigint;
  /**
   * When it happened, in ms since the epoch: the time that the engine stated or, where it stated none, the
   * time at which the ingest received it.
   */
  readonly timeMs: number;
  /** True where `timeMs` is the ingest's stamp. A stamp is no part of the content: it may differ after a resend (I2). */
  readonly stamped: boolean;
}

/** One match of two orders. The buyer gives quote and gets base; the seller the reverse. */
export interface Trade extends EventBase {
  readonly kind: 'trade';
  readonly tradeId: bigint;
  readonly buyOrderId: bigint;
  readonly sellOrderId: bigint;
  readonly buyerUserId: bigint;
  readonly sellerUserId: bigint;
  /** In the engine's price units, > 0. */
  readonly price: bigint;
  /** In the base asset's smallest unit, > 0. */
  readonly quantity: bigint;
  readonly baseAsset: number;
  readonly quoteAsset: number;
  /** Quote that the buyer's order had frozen beyond what this trade costs, ≥ 0; it returns to available. */
  readonly buyerRefund: bigint;
  /** Base that the seller's order had frozen beyond what this trade takes, ≥ 0; it returns to available. */
  readonly sellerRefund: bigint;
  readonly matchSeq: bigint;
  /** The engine's own number of the trade. In a numbered stream it equals `sequence`; a classic one counts trades only. */
  readonly outputSequence: bigint;
  /** price × quantity ÷ the instrument's divisor, exact, in the quote asset's smallest unit. */
  readonly quoteAmount: bigint;
  /** Versions of the four balances before this trade, as the engine stated them. */
  readonly buyerQuoteVersion: bigint;
  readonly buyerBaseVersion: bigint;
  readonly sellerBaseVersion: bigint;
  readonly sellerQuoteVersion: bigint;
}

/** One change of one balance outside a trade. */
export interface LedgerEvent extends EventBase {
  readonly kind: LedgerKind;
  readonly userId: bigint;
  /** The engine's own number. In a numbered stream it equals `sequence`; classic engines state 0. */
  readonly sequenceId: bigint;
  /** In the asset's smallest unit, > 0. */
  readonly amount: bigint;
  readonly currency: number;
  readonly relatedId: bigint;
  /** Version of the balance before this event. */
  readonly version: bigint;
  /** False where a classic engine stated no version and the ingest assigned it. */
  readonly versionStated: boolean;
}

/** A decoded message. */
export type SettlementEvent = Trade | LedgerEvent;

/** The id by which people know an event: a trade's id, or a ledger event's sequence. */
export function eventId(event: SettlementEvent): bigint {
  return event.kind === 'trade' ? event.tradeId : event.sequence;
}

/** "trade 7 (sequence 12)" or "lock (sequence 3)": how messages to people name an event. */
export function describeEvent(event: SettlementEvent): string {
  return event.kind === 'trade'
    ? `trade ${event.tradeId} (sequence ${event.sequence})`
    : `${event.kind} (sequence ${event.sequence})`;
}
