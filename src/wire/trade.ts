/**
 * A trade's message and the trade: reads the eighteen fields, then checks what they say together (amounts and
 * versions within 63 bits, the divisor, the chain of a self-trade's legs). It cites no balance: that is the domain's.
 */
import type { Trade } from '../domain/event.ts';
import { INT64_MAX } from '../domain/integers.ts';
import type { Body } from './body.ts';
import { ANY, ASSET, FROM_ONE, INVALID, integerField, POSITIVE, TIME, type Range } from './fields.ts';
import { TRADE_FIELDS, type Dialect, type TradeMessage } from './message.ts';
import type { DecodeContext } from './decode.ts';
import type { Fault } from './reasons.ts';

const RANGES: Readonly<Record<(typeof TRADE_FIELDS)[number], Range>> = {
  trade_id: ANY,
  buy_order_id: ANY,
  sell_order_id: ANY,
  buyer_user_id: ANY,
  seller_user_id: ANY,
  price: POSITIVE,
  quantity: POSITIVE,
  base_asset: ASSET,
  quote_asset: ASSET,
  buyer_refund: ANY,
  seller_refund: ANY,
  match_seq: ANY,
  output_sequence: FROM_ONE,
  settled_at: TIME,
  buyer_quote_version: ANY,
  buyer_base_version: ANY,
  seller_base_version: ANY,
  seller_quote_version: ANY,
};

/** Reads a trade. Where it adds to `faults`, what it returns is not to be used. */
export function readTrade(body: Body, dialect: Dialect, context: DecodeContext, faults: Fault[]): Trade {
  const read = (name: (typeof TRADE_FIELDS)[number]): bigint =>
    integerField(body, name, RANGES[name], faults);
  const message: TradeMessage = {
    trade_id: read('trade_id'),
    buy_order_id: read('buy_order_id'),
    sell_order_id: read('sell_order_id'),
    buyer_user_id: read('buyer_user_id'),
    seller_user_id: read('seller_user_id'),
    price: read('price'),
    quantity: read('quantity'),
    base_asset: read('base_asset'),
    quote_asset: read('quote_asset'),
    buyer_refund: read('buyer_refund'),
    seller_refund: read('seller_refund'),
    match_seq: read('match_seq'),
    output_sequence: read('output_sequence'),
    settled_at: read('settled_at'),
    buyer_quote_version: read('buyer_quote_version'),
    buyer_base_version: read('buyer_base_version'),
    seller_base_version: read('seller_base_version'),
    seller_quote_version: read('seller_quote_version'),
  };
  const quoteAmount = checkAmounts(message, context, faults);
  checkVersions(message, faults);
  const stamped = message.settled_at === 0n;
  return {
    kind: 'trade',
    sequence: dialect === 'numbered' ? message.output_sequence : 0n,
    timeMs: stamped ? context.receivedAtMs : Number(message.settled_at),
    stamped,
    tradeId: message.trade_id,
    buyOrderId: message.buy_order_id,
    sellOrderId: message.sell_order_id,
    buyerUserId: message.buyer_user_id,
    sellerUserId: message.seller_user_id,
    price: message.price,
    quantity: message.quantity,
    baseAsset: Number(message.base_asset),
    quoteAsset: Number(message.quote_asset),
    buyerRefund: message.buyer_refund,
    sellerRefund: message.seller_refund,
    matchSeq: message.match_seq,
    outputSequence: message.output_sequence,
    quoteAmount,
    buyerQuoteVersion: message.buyer_quote_version,
    buyerBaseVersion: message.buyer_base_version,
    sellerBaseVersion: message.seller_base_version,
    sellerQuoteVersion: message.seller_quote_version,
  };
}

/** Checks assets and amounts as far as their fields are valid, and returns the quote amount. */
function checkAmounts(message: TradeMessage, context: DecodeContext, faults: Fault[]): bigint {
  const { price, quantity, base_asset: base, quote_asset: quote } = message;
  const assets = base !== INVALID && quote !== INVALID;
  if (assets && base === quote)
    faults.push({ reason: 'same-asset', text: `base_asset and quote_asset are both ${base}` });
  if (
    quantity !== INVALID &&
    message.seller_refund !== INVALID &&
    quantity + message.seller_refund > INT64_MAX
  ) {
    faults.push({ reason: 'amount-overflow', text: 'quantity + seller_refund is above 2^63-1' });
  }
  if (price === INVALID || quantity === INVALID) return INVALID;
  const product = price * quantity;
  if (product > INT64_MAX) {
    faults.push({ reason: 'amount-overflow', text: `price × quantity is ${product}, above 2^63-1` });
    return INVALID;
  }
  if (!assets) return INVALID;
  const divisor = context.divisorOf(Number(base), Number(quote));
  if (divisor !== 1n && product % divisor !== 0n) {
    faults.push({
      reason: 'indivisible',
      text: `price × quantity is ${product}, no multiple of the divisor ${divisor}`,
    });
    return INVALID;
  }
  const amount = divisor === 1n ? product : product / divisor;
  if (message.buyer_refund !== INVALID && amount + message.buyer_refund > INT64_MAX) {
    faults.push({ reason: 'amount-overflow', text: 'the quote amount + buyer_refund is above 2^63-1' });
  }
  return amount;
}

/** Checks that no version leaves 63 bits, and that a self-trade's versions follow the order of the legs. */
function checkVersions(message: TradeMessage, faults: Fault[]): void {
  // A leg with a refund takes two steps (spend, refund), else one. An unreadable refund counts as none.
  const buyerQuoteSteps = message.buyer_refund > 0n ? 2n : 1n;
  const sellerBaseSteps = message.seller_refund > 0n ? 2n : 1n;
  const after = (name: keyof TradeMessage, steps: bigint): void => {
    if (message[name] + steps > INT64_MAX) {
      faults.push({ reason: 'version-overflow', text: `${name} + ${steps} is above 2^63-1` });
    }
  };
  after('buyer_quote_version', buyerQuoteSteps);
  after('buyer_base_version', 1n);
  after('seller_base_version', sellerBaseSteps);
  after('seller_quote_version', 1n);
  if (message.buyer_user_id !== message.seller_user_id || message.buyer_user_id === INVALID) return;
  const follows = (second: keyof TradeMessage, first: keyof TradeMessage, steps: bigint): void => {
    if (message[first] === INVALID || message[second] === INVALID) return;
    const expected = message[first] + steps;
    if (message[second] !== expected) {
      const text = `in this self-trade ${second} is ${message[second]}, not ${first} + ${steps} = ${expected}`;
      faults.push({ reason: 'self-trade-versions', text });
    }
  };
  follows('seller_base_version', 'buyer_base_version', 1n);
  if (message.buyer_refund !== INVALID)
    follows('seller_quote_version', 'buyer_quote_version', buyerQuoteSteps);
}
