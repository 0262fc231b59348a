/**
 * Messages for the tests of the wire: one valid trade and ledger event to vary, generators over the whole of 63 bits,
 * and the recorded streams.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { ASSET_MAX, INT64_MAX, TIME_MS_MAX } from '../../src/domain/integers.ts';
import { decodeMessage, type Decoded, type DecodeContext } from '../../src/wire/decode.ts';
import { TOPIC, type Dialect, type LedgerMessage, type TradeMessage } from '../../src/wire/message.ts';

export const RECEIVED_AT_MS = 1_800_000_000_000;
export const context: DecodeContext = { receivedAtMs: RECEIVED_AT_MS, divisorOf: () => 1n };

/** A valid trade of a numbered stream, as JSON values: integers are bigints, anything else stands as written. */
export const TRADE: Readonly<Record<string, unknown>> = {
  trade_id: 7n,
  buy_order_id: 11n,
  sell_order_id: 12n,
  buyer_user_id: 1001n,
  seller_user_id: 1002n,
  price: 350n,
  quantity: 68n,
  base_asset: 1n,
  quote_asset: 2n,
  buyer_refund: 0n,
  seller_refund: 0n,
  match_seq: 3n,
  output_sequence: 42n,
  settled_at: 1_795_356_055_368n,
  buyer_quote_version: 20n,
  buyer_base_version: 21n,
  seller_base_version: 22n,
  seller_quote_version: 23n,
};

/** A valid deposit of a numbered stream. */
export const DEPOSIT: Readonly<Record<string, unknown>> = {
  user_id: 1001n,
  sequence_id: 41n,
  event_type: 'DEPOSIT',
  amount: 10n,
  currency: 1n,
  related_id: 0n,
  created_at: 1_795_356_055_368n,
  version: 0n,
};

/** JSON text standing for itself in {@link json}: `raw('1.0')`. */
export function raw(text: string): { readonly raw: string } {
  return { raw: text };
}

/** JSON of an object whose integers are bigints; a field of `undefined` is left out. */
export function json(fields: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const isRaw = typeof value === 'object' && value !== null && 'raw' in value;
    const text = isRaw
      ? String(value.raw)
      : typeof value === 'bigint'
        ? String(value)
        : JSON.stringify(value);
    return [`${JSON.stringify(name)}:${text}`];
  });
  return `{${parts.join(',')}}`;
}

/** Decodes a second frame under the right topic. */
export function decode(data: string | Buffer, dialect: Dialect = 'numbered', given = context): Decoded {
  return decodeMessage([Buffer.from(TOPIC), Buffer.from(data)], dialect, given);
}

const any = fc.oneof(fc.bigInt(0n, INT64_MAX), fc.bigInt(0n, 9n), fc.bigInt(INT64_MAX - 9n, INT64_MAX));
const positive = any.map((value) => (value === 0n ? 1n : value));
const version = fc.oneof(fc.bigInt(0n, INT64_MAX - 4n), fc.bigInt(0n, 9n));
const asset = fc.oneof(fc.bigInt(0n, BigInt(ASSET_MAX)), fc.bigInt(0n, 9n));
const time = fc.oneof(fc.bigInt(0n, BigInt(TIME_MS_MAX)), fc.constant(0n));

/** Any valid trade, up to the bounds: self-trades, refunds, quantities that fill 63 bits. */
export const anyTrade: fc.Arbitrary<TradeMessage> = fc
  .record({
    ids: fc.tuple(any, any, any, any, any, any),
    price: positive,
    quantityShare: any,
    refundShares: fc.tuple(any, any),
    assets: fc.tuple(asset, asset).filter(([base, quote]) => base !== quote),
    outputSequence: positive,
    settledAt: time,
    versions: fc.tuple(version, version, version, version),
    selfTrade: fc.boolean(),
  })
  .map((given) => {
    const quantity = 1n + (given.quantityShare % (INT64_MAX / given.price));
    const buyerRefund = given.refundShares[0] % (INT64_MAX - given.price * quantity + 1n);
    const sellerRefund = given.refundShares[1] % (INT64_MAX - quantity + 1n);
    const [trade, buyOrder, sellOrder, buyer, seller, match] = given.ids;
    const [buyerQuote, buyerBase, sellerBase, sellerQuote] = given.versions;
    const self = given.selfTrade;
    return {
      trade_id: trade,
      buy_order_id: buyOrder,
      sell_order_id: sellOrder,
      buyer_user_id: buyer,
      seller_user_id: self ? buyer : seller === buyer ? buyer ^ 1n : seller,
      price: given.price,
      quantity,
      base_asset: given.assets[0],
      quote_asset: given.assets[1],
      buyer_refund: buyerRefund,
      seller_refund: sellerRefund,
      match_seq: match,
      output_sequence: given.outputSequence,
      settled_at: given.settledAt,
      buyer_quote_version: buyerQuote,
      buyer_base_version: buyerBase,
      seller_base_version: self ? buyerBase + 1n : sellerBase,
      seller_quote_version: self ? buyerQuote + (buyerRefund > 0n ? 2n : 1n) : sellerQuote,
    };
  });

/** Any valid ledger event of the dialect. */
export function anyLedger(dialect: Dialect): fc.Arbitrary<LedgerMessage> {
  const words = ['DEPOSIT', 'WITHDRAW', 'WITHDRAWAL', 'LOCK', 'UNLOCK'] as const;
  const fields = {
    user_id: any,
    sequence_id: dialect === 'numbered' ? positive : any,
    event_type: fc.constantFrom(...words),
    amount: positive,
    currency: asset,
    related_id: any,
    created_at: time,
  };
  return dialect === 'numbered' ? fc.record({ ...fields, version }) : fc.record(fields);
}

/** The frames of a recorded stream, in order of arrival. */
export function recording(name: 'classic-e2e' | 'classic-phantom-locks'): [Buffer, Buffer][] {
  const lines = readFileSync(new URL(`../data/${name}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => {
    const { topic, data } = JSON.parse(line) as { topic: string; data: string };
    return [Buffer.from(topic), Buffer.from(data)];
  });
}
