/**
 * An independent reader of a numbered stream for tests: it applies messages by the design's table of legs, starting from
 * nothing, and complains about any number, version or amount that does not fit. It knows nothing of the simulator.
 */

import type { Message, TradeMessage } from '../../src/wire/message.ts';

export interface Held {
  available: bigint;
  frozen: bigint;
  version: bigint;
}

export class Replay {
  readonly balances = new Map<string, Held>();
  /** Deposits less withdrawals, by asset. */
  readonly supply = new Map<bigint, bigint>();
  readonly counts: Record<string, number> = {};
  /** What was seen of the rarer things. */
  readonly seen = {
    selfTrades: 0,
    buyerRefunds: 0,
    sellerRefunds: 0,
    amountMax: 0n,
    balanceMax: 0n,
    idMax: 0n,
  };
  /** Trades by order, to tell partial fills. */
  readonly fills = new Map<bigint, number>();
  readonly tradeIds = new Set<bigint>();
  #sequence = 0n;
  #timeMs = 1n;

  apply(message: Message): void {
    if ('trade_id' in message) this.#trade(message);
    else {
      this.#number(message.sequence_id, message.created_at);
      this.#count(message.event_type);
      const { user_id: user, currency: asset, amount, event_type: word } = message;
      if (amount <= 0n) throw new Error(`amount ${amount}`);
      const sign = word === 'DEPOSIT' || word === 'UNLOCK' ? 1n : -1n;
      const frozen = word === 'LOCK' || word === 'UNLOCK' ? -sign * amount : 0n;
      this.#leg(user, asset, message.version!, 1n, sign * amount, frozen);
      if (word === 'DEPOSIT' || word === 'WITHDRAW') {
        this.supply.set(asset, (this.supply.get(asset) ?? 0n) + sign * amount);
      }
      this.#sawAmount(amount);
      this.#sawId(user);
    }
  }

  #trade(trade: TradeMessage): void {
    this.#number(trade.output_sequence, trade.settled_at);
    this.#count('TRADE');
    const { buyer_user_id: buyer, seller_user_id: seller, base_asset: base, quote_asset: quote } = trade;
    const { quantity, price, buyer_refund: buyerRefund, seller_refund: sellerRefund } = trade;
    const cost = price * quantity;
    if (price <= 0n || quantity <= 0n || buyerRefund < 0n || sellerRefund < 0n)
      throw new Error('a trade out of range');
    const stepsOf = (refund: bigint): bigint => (refund > 0n ? 2n : 1n);
    this.#leg(
      buyer,
      quote,
      trade.buyer_quote_version,
      stepsOf(buyerRefund),
      buyerRefund,
      -cost - buyerRefund,
    );
    this.#leg(buyer, base, trade.buyer_base_version, 1n, quantity, 0n);
    this.#leg(
      seller,
      base,
      trade.seller_base_version,
      stepsOf(sellerRefund),
      sellerRefund,
      -quantity - sellerRefund,
    );
    this.#leg(seller, quote, trade.seller_quote_version, 1n, cost, 0n);
    if (this.tradeIds.has(trade.trade_id)) throw new Error(`trade ${trade.trade_id} twice`);
    this.tradeIds.add(trade.trade_id);
    if (buyer === seller) this.seen.selfTrades++;
    if (buyerRefund > 0n) this.seen.buyerRefunds++;
    if (sellerRefund > 0n) this.seen.sellerRefunds++;
    for (const order of [trade.buy_order_id, trade.sell_order_id]) {
      this.fills.set(order, (this.fills.get(order) ?? 0) + 1);
      this.#sawId(order);
    }
    this.#sawAmount(cost);
    this.#sawId(trade.trade_id);
  }

  #leg(user: bigint, asset: bigint, version: bigint, steps: bigint, available: bigint, frozen: bigint): void {
    const key = `${user}/${asset}`;
    const held = this.balances.get(key) ?? { available: 0n, frozen: 0n, version: 0n };
    if (held.version !== version) throw new Error(`${key} is at version ${held.version}, stated ${version}`);
    held.version += steps;
    held.available += available;
    held.frozen += frozen;
    if (held.available < 0n || held.frozen < 0n) throw new Error(`${key} is negative`);
    // Each value for itself: between the legs of a self-trade the sum of the two may be beyond 63 bits.
    if (held.available >= 2n ** 63n || held.frozen >= 2n ** 63n) throw new Error(`${key} leaves 63 bits`);
    if (held.available > this.seen.balanceMax) this.seen.balanceMax = held.available;
    this.balances.set(key, held);
  }

  #number(sequence: bigint, timeMs: bigint): void {
    this.#sequence += 1n;
    if (sequence !== this.#sequence) throw new Error(`number ${sequence} where ${this.#sequence} was due`);
    if (timeMs < this.#timeMs) throw new Error('time goes back');
    this.#timeMs = timeMs;
  }

  #count(kind: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }

  #sawAmount(amount: bigint): void {
    if (amount >= 2n ** 63n) throw new Error(`amount ${amount} leaves 63 bits`);
    if (amount > this.seen.amountMax) this.seen.amountMax = amount;
  }

  #sawId(id: bigint): void {
    if (id < 0n || id >= 2n ** 63n) throw new Error(`id ${id} leaves 63 bits`);
    if (id > this.seen.idMax) this.seen.idMax = id;
  }
}
