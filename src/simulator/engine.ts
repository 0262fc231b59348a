/**
 * The simulated matching engine: it takes deposits, withdrawals, orders and cancels, keeps the books, and announces what
 * happened as messages numbered from 1 without a hole, each stating the versions that its balances had before it. What
 * it announces waits in `drain` until the stream takes it, so memory depends on users and open orders, not on events.
 */

import type { LedgerWord, Message } from '../wire/message.ts';
import type { Accounts } from './accounts.ts';
import { Book, type Order } from './book.ts';
import type { Market } from './options.ts';
import type { Random } from './random.ts';

const ID_BITS = 63;
/** Odd steps (Weyl sequences) visit each of the 2⁶³ ids once, so order and trade ids are unique and spread. */
const ORDER_ID_STEP = 0x9e3779b97f4a7c15n;
const TRADE_ID_STEP = 0xd1342543de82ef95n;

/** How many messages of each kind were announced. */
export interface EventCounts {
  DEPOSIT: number;
  LOCK: number;
  UNLOCK: number;
  WITHDRAW: number;
  TRADE: number;
}

/** A market with its book, and its assets as the accounts index them. */
export interface TradingFloor {
  readonly market: Market;
  readonly book: Book;
  readonly base: number;
  readonly quote: number;
}

/** What an order asks for. */
export interface OrderRequest {
  readonly floor: TradingFloor;
  /** Index of the user. */
  readonly user: number;
  readonly buy: boolean;
  readonly price: bigint;
  readonly quantity: bigint;
  /** Sell orders: base frozen beyond the quantity, to be released with the last fill. */
  readonly dust: bigint;
  /** False: what does not match at once is cancelled at once. */
  readonly rests: boolean;
}

/** Applies commands to books and accounts, and announces the outcome. */
export class Engine {
  readonly counts: EventCounts = { DEPOSIT: 0, LOCK: 0, UNLOCK: 0, WITHDRAW: 0, TRADE: 0 };
  readonly floors: readonly TradingFloor[];
  readonly accounts: Accounts;
  readonly #random: Random;
  readonly #tradesMax: number;
  readonly #assetIds: readonly bigint[];
  #announced: Message[] = [];
  #sequence = 0;
  #timeMs: number;
  #orderId: bigint;
  #tradeId: bigint;

  constructor(options: {
    accounts: Accounts;
    markets: readonly Market[];
    random: Random;
    tradesMax: number;
    startMs: number;
  }) {
    this.accounts = options.accounts;
    this.#random = options.random;
    this.#tradesMax = options.tradesMax;
    this.#timeMs = options.startMs;
    this.#orderId = options.random.belowBig(2n ** 63n);
    this.#tradeId = options.random.belowBig(2n ** 63n);
    this.#assetIds = options.accounts.assets.map(BigInt);
    this.floors = options.markets.map((market) => ({
      market,
      book: new Book(),
      base: options.accounts.assets.indexOf(market.baseAsset),
      quote: options.accounts.assets.indexOf(market.quoteAsset),
    }));
  }

  /** True when as many trades were made as were asked for; from then on no order is matched. */
  get done(): boolean {
    return this.counts.TRADE >= this.#tradesMax;
  }

  /** Takes the messages announced since the last call, in order. */
  drain(): readonly Message[] {
    const announced = this.#announced;
    this.#announced = [];
    return announced;
  }

  deposit(user: number, asset: number, amount: bigint): void {
    const version = this.accounts.deposit(this.accounts.slot(user, asset), amount);
    this.#tell('DEPOSIT', user, asset, amount, version, 0n);
  }

  withdraw(user: number, asset: number, amount: bigint): void {
    const version = this.accounts.withdraw(this.accounts.slot(user, asset), amount);
    this.#tell('WITHDRAW', user, asset, amount, version, 0n);
  }

  /** Freezes what the order may cost, matches it, and rests or cancels the remainder. The user must afford it. */
  place(request: OrderRequest): Order {
    const { floor, user, buy, price, quantity, dust } = request;
    const order: Order = { id: this.#nextOrderId(), user, buy, price, remaining: quantity, dust };
    const asset = buy ? floor.quote : floor.base;
    const amount = frozenBy(order);
    this.#tell(
      'LOCK',
      user,
      asset,
      amount,
      this.accounts.lock(this.accounts.slot(user, asset), amount),
      order.id,
    );
    while (order.remaining > 0n && !this.done) {
      const maker = floor.book.crossing(buy, price);
      if (maker === undefined) break;
      this.#match(floor, order, maker);
      if (maker.remaining === 0n) floor.book.remove(maker);
    }
    if (order.remaining > 0n) {
      if (request.rests) floor.book.add(order);
      else this.#release(floor, order);
    }
    return order;
  }

  /** Takes an open order out of the book and unlocks all that it still had frozen. */
  cancel(floor: TradingFloor, order: Order): void {
    floor.book.remove(order);
    this.#release(floor, order);
  }

  #release(floor: TradingFloor, order: Order): void {
    const asset = order.buy ? floor.quote : floor.base;
    const amount = frozenBy(order);
    const version = this.accounts.unlock(this.accounts.slot(order.user, asset), amount);
    this.#tell('UNLOCK', order.user, asset, amount, version, order.id);
  }

  #match(floor: TradingFloor, taker: Order, maker: Order): void {
    const accounts = this.accounts;
    const buyer = taker.buy ? taker : maker;
    const seller = taker.buy ? maker : taker;
    const price = maker.price;
    const quantity = taker.remaining < maker.remaining ? taker.remaining : maker.remaining;
    const cost = price * quantity;
    const buyerRefund = (buyer.price - price) * quantity;
    taker.remaining -= quantity;
    maker.remaining -= quantity;
    const sellerRefund = seller.remaining === 0n ? seller.dust : 0n;
    // In the order of a trade's legs; where both sides are one user, each reads what the one before left.
    const buyerQuoteVersion = accounts.pay(accounts.slot(buyer.user, floor.quote), cost, buyerRefund);
    const buyerBaseVersion = accounts.receive(accounts.slot(buyer.user, floor.base), quantity);
    const sellerBaseVersion = accounts.pay(accounts.slot(seller.user, floor.base), quantity, sellerRefund);
    const sellerQuoteVersion = accounts.receive(accounts.slot(seller.user, floor.quote), cost);
    this.counts.TRADE++;
    this.#announced.push({
      trade_id: this.#nextTradeId(),
      buy_order_id: buyer.id,
      sell_order_id: seller.id,
      buyer_user_id: accounts.userIds[buyer.user]!,
      seller_user_id: accounts.userIds[seller.user]!,
      price,
      quantity,
      base_asset: this.#assetIds[floor.base]!,
      quote_asset: this.#assetIds[floor.quote]!,
      buyer_refund: buyerRefund,
      seller_refund: sellerRefund,
      match_seq: BigInt(this.counts.TRADE),
      output_sequence: this.#nextSequence(),
      settled_at: this.#now(),
      buyer_quote_version: BigInt(buyerQuoteVersion),
      buyer_base_version: BigInt(buyerBaseVersion),
      seller_base_version: BigInt(sellerBaseVersion),
      seller_quote_version: BigInt(sellerQuoteVersion),
    });
  }

  #tell(
    word: Exclude<LedgerWord, 'WITHDRAWAL'>,
    user: number,
    asset: number,
    amount: bigint,
    version: number,
    relatedId: bigint,
  ): void {
    this.counts[word]++;
    this.#announced.push({
      user_id: this.accounts.userIds[user]!,
      sequence_id: this.#nextSequence(),
      event_type: word,
      amount,
      currency: this.#assetIds[asset]!,
      related_id: relatedId,
      created_at: this.#now(),
      version: BigInt(version),
    });
  }

  #nextSequence(): bigint {
    return BigInt(++this.#sequence);
  }

  #now(): bigint {
    this.#timeMs += this.#random.below(3);
    return BigInt(this.#timeMs);
  }

  #nextOrderId(): bigint {
    this.#orderId = BigInt.asUintN(ID_BITS, this.#orderId + ORDER_ID_STEP);
    return this.#orderId;
  }

  #nextTradeId(): bigint {
    this.#tradeId = BigInt.asUintN(ID_BITS, this.#tradeId + TRADE_ID_STEP);
    return this.#tradeId;
  }
}

/** What an open order holds frozen: quote for the rest at its limit, or the rest of the base with the dust. */
function frozenBy(order: Order): bigint {
  return order.buy ? order.price * order.remaining : order.remaining + order.dust;
}
