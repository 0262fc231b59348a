/**
 * From an event to the frames of its message: what a publisher sends, and what tests compare with. Integers are
 * written as JSON numbers of all their digits, fields in the wire's order, without white space.
 */
import type { LedgerKind, SettlementEvent } from '../domain/event.ts';
import {
  LEDGER_FIELDS,
  TOPIC,
  TRADE_FIELDS,
  type Dialect,
  type LedgerMessage,
  type LedgerWord,
  type Message,
  type TradeMessage,
} from './message.ts';

/**
 * Encodes a message: `[topic, JSON]`. The two buffers are the caller's own.
 *
 * It writes what it is given: a value out of range is the reader's to reject.
 */
export function encodeMessage(message: Message): [Buffer, Buffer] {
  return [Buffer.from(TOPIC), Buffer.from('trade_id' in message ? tradeText(message) : ledgerText(message))];
}

function tradeText(message: TradeMessage): string {
  return `{${TRADE_FIELDS.map((name) => `"${name}":${message[name]}`).join(',')}}`;
}

function ledgerText(message: LedgerMessage): string {
  const parts: string[] = [];
  for (const name of LEDGER_FIELDS) {
    const value = message[name];
    if (value !== undefined)
      parts.push(`"${name}":${typeof value === 'bigint' ? value : JSON.stringify(value)}`);
  }
  return `{${parts.join(',')}}`;
}

const WORDS: Readonly<Record<LedgerKind, LedgerWord>> = {
  deposit: 'DEPOSIT',
  withdraw: 'WITHDRAW',
  lock: 'LOCK',
  unlock: 'UNLOCK',
};

/**
 * The message by which an engine of this dialect states the event: the reverse of decoding. A stamped time is 0 again;
 * a classic ledger event has no version, and its withdrawal is a WITHDRAWAL, as such engines write it.
 */
export function messageOf(event: SettlementEvent, dialect: Dialect): Message {
  const time = event.stamped ? 0n : BigInt(event.timeMs);
  if (event.kind === 'trade') {
    return {
      trade_id: event.tradeId,
      buy_order_id: event.buyOrderId,
      sell_order_id: event.sellOrderId,
      buyer_user_id: event.buyerUserId,
      seller_user_id: event.sellerUserId,
      price: event.price,
      quantity: event.quantity,
      base_asset: BigInt(event.baseAsset),
      quote_asset: BigInt(event.quoteAsset),
      buyer_refund: event.buyerRefund,
      seller_refund: event.sellerRefund,
      match_seq: event.matchSeq,
      output_sequence: event.outputSequence,
      settled_at: time,
      buyer_quote_version: event.buyerQuoteVersion,
      buyer_base_version: event.buyerBaseVersion,
      seller_base_version: event.sellerBaseVersion,
      seller_quote_version: event.sellerQuoteVersion,
    };
  }
  const classic = dialect === 'classic';
  const message: LedgerMessage = {
    user_id: event.userId,
    sequence_id: event.sequenceId,
    event_type: classic && event.kind === 'withdraw' ? 'WITHDRAWAL' : WORDS[event.kind],
    amount: event.amount,
    currency: BigInt(event.currency),
    related_id: event.relatedId,
    created_at: time,
  };
  return classic ? message : { ...message, version: event.version };
}
