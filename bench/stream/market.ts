/**
 * The benchmark's stream: users are funded first, then there are nothing but trades, each stating the versions that its
 * balances had before. The market keeps the books itself and shares no code with the product's, so what it says at the
 * end is an oracle. All amounts stay below 2⁵³ and are plain numbers: a message costs about two microseconds.
 */
import { Random } from '../../src/simulator/random.ts';
import type { OracleBalance } from '../../src/simulator/accounts.ts';
import type { Oracle } from '../../src/simulator/oracle.ts';

/** Who trades with whom. */
export type Shape =
  /** Anyone with anyone. */
  | 'uniform'
  /** Users by Zipf's law; one of five market makers, those of the highest rank, on a side of most trades. */
  | 'skewed'
  /** One market maker in every trade, buying and selling by turns. */
  | 'hot';

/** A market. */
export interface MarketOptions {
  readonly users: number;
  readonly shape: Shape;
  readonly seed: number;
  /** Half of the users only buy, the others only sell: half the funding, for many users. */
  readonly split?: boolean;
}

export const BASE_ASSET = 1;
export const QUOTE_ASSET = 2;

const FIRST_USER = 1_001;
const FIRST_TRADE = 1_000_000_001;
const FIRST_ORDER = 5_000_000_001;
const EPOCH_MS = 1_780_000_000_000;
/** What each user gets of an asset, and locks at once: far more than any run can spend. */
const FUNDS = 2_000_000_000_000_000;
const PRICE_MIN = 20_000;
const PRICES = 10_000;
const QUANTITIES = 1_000;
const REFUNDS = 5_000;
/** Of 1 024 trades so many have a refund for the buyer: 30 %. */
const REFUND_SHARE = 307;
const MAKERS = 5;
/** Of 1 024 trades of a skewed market so many have a market maker on one side: 80 %. */
const MAKER_SHARE = 819;

const BASE = 0;
const QUOTE = 1;

/** A seeded market: the same options give the same stream, however it is cut. */
export class Market {
  readonly options: MarketOptions;
  /** Messages stated so far: the number of the last one. */
  sequence = 0;
  trades = 0;
  readonly #random: Random;
  /** Two balances a user: base, then quote. */
  readonly #available: Float64Array;
  readonly #frozen: Float64Array;
  readonly #versions: Float64Array;
  /** Running sums of 1/rank. */
  readonly #zipfSums: Float64Array | undefined;
  #deposits = 0;
  #buyer = 0;
  #seller = 0;

  constructor(options: MarketOptions) {
    const { users, shape, seed } = options;
    if (users < 2 * MAKERS) throw new RangeError(`a market of ${users} users is too small`);
    this.options = options;
    this.#random = new Random(seed);
    this.#available = new Float64Array(2 * users);
    this.#frozen = new Float64Array(2 * users);
    this.#versions = new Float64Array(2 * users);
    if (shape === 'skewed') {
      this.#zipfSums = new Float64Array(users);
      let sum = 0;
      for (let rank = 1; rank <= users; rank += 1) this.#zipfSums[rank - 1] = sum += 1 / rank;
    }
  }

  /** How many messages {@link funding} states. */
  get fundingMessages(): number {
    return this.options.users * (this.options.split ? 2 : 4);
  }

  /** The messages that fund all users: a deposit and a lock of all of it, for each asset that a user will spend. */
  *funding(): Generator<string, void, void> {
    const { users, split } = this.options;
    for (let user = 0; user < users; user += 1) {
      const buys = !split || user % 2 === 0;
      if (buys) yield* this.#fund(user, QUOTE);
      if (!split || !buys) yield* this.#fund(user, BASE);
    }
  }

  /** The next trade, as JSON. */
  trade(): string {
    this.#draw();
    const random = this.#random;
    const [buyer, seller] = [this.#buyer, this.#seller];
    const price = PRICE_MIN + random.below(PRICES);
    const quantity = 1 + random.below(QUANTITIES);
    const refund = random.chance(REFUND_SHARE) ? 1 + random.below(REFUNDS) : 0;
    const number = this.trades;
    this.trades += 1;
    this.sequence += 1;
    const versions = this.#versions;
    const text =
      `{"trade_id":${FIRST_TRADE + number},"buy_order_id":${FIRST_ORDER + 2 * number},` +
      `"sell_order_id":${FIRST_ORDER + 2 * number + 1},"buyer_user_id":${FIRST_USER + buyer},` +
      `"seller_user_id":${FIRST_USER + seller},"price":${price},"quantity":${quantity},` +
      `"base_asset":${BASE_ASSET},"quote_asset":${QUOTE_ASSET},"buyer_refund":${refund},"seller_refund":0,` +
      `"match_seq":${number + 1},"output_sequence":${this.sequence},"settled_at":${this.#timeMs()},` +
      `"buyer_quote_version":${versions[2 * buyer + QUOTE]},"buyer_base_version":${versions[2 * buyer + BASE]},` +
      `"seller_base_version":${versions[2 * seller + BASE]},"seller_quote_version":${versions[2 * seller + QUOTE]}}`;
    this.#book(buyer, seller, quantity, price * quantity, refund);
    return text;
  }

  /** What the stream so far must lead to. */
  oracle(): Oracle {
    const counts = {
      DEPOSIT: this.#deposits,
      LOCK: this.#deposits,
      UNLOCK: 0,
      WITHDRAW: 0,
      TRADE: this.trades,
    };
    return { counts, firstMismatch: null, balances: { [Symbol.iterator]: () => this.#balances() } };
  }

  /** Every balance that was ever changed. */
  *#balances(): Generator<OracleBalance, void, void> {
    for (let at = 0; at < this.#versions.length; at += 1) {
      if (this.#versions[at] === 0) continue;
      yield {
        user: `${FIRST_USER + Math.floor(at / 2)}`,
        asset: at % 2 === BASE ? BASE_ASSET : QUOTE_ASSET,
        available: `${this.#available[at]}`,
        frozen: `${this.#frozen[at]}`,
        version: `${this.#versions[at]}`,
      };
    }
  }

  *#fund(user: number, asset: typeof BASE | typeof QUOTE): Generator<string, void, void> {
    const at = 2 * user + asset;
    this.#deposits += 1;
    for (const word of ['DEPOSIT', 'LOCK']) {
      this.sequence += 1;
      yield (
        `{"user_id":${FIRST_USER + user},"sequence_id":${this.sequence},"event_type":"${word}","amount":${FUNDS},` +
        `"currency":${asset === BASE ? BASE_ASSET : QUOTE_ASSET},"related_id":0,"created_at":${this.#timeMs()},` +
        `"version":${this.#versions[at]}}`
      );
      this.#versions[at]! += 1;
    }
    this.#frozen[at]! += FUNDS;
  }

  #timeMs(): number {
    return EPOCH_MS + Math.floor(this.sequence / 10);
  }

  /** Draws buyer and seller: never the same user. */
  #draw(): void {
    const { users, shape, split } = this.options;
    const random = this.#random;
    if (shape === 'hot') {
      const other = 1 + random.below(users - 1);
      const isBuying = this.trades % 2 === 0;
      this.#buyer = isBuying ? 0 : other;
      this.#seller = isBuying ? other : 0;
      return;
    }
    if (shape === 'skewed') {
      const one = random.chance(MAKER_SHARE) ? random.below(MAKERS) : this.#zipf();
      let other = this.#zipf();
      while (other === one) other = this.#zipf();
      const isBuying = random.chance(512);
      this.#buyer = isBuying ? one : other;
      this.#seller = isBuying ? other : one;
      return;
    }
    if (split) {
      this.#buyer = 2 * random.below(Math.ceil(users / 2));
      this.#seller = 2 * random.below(Math.floor(users / 2)) + 1;
      return;
    }
    this.#buyer = random.below(users);
    do this.#seller = random.below(users);
    while (this.#seller === this.#buyer);
  }

  /** A user by Zipf's law: the second half as often as the first. */
  #zipf(): number {
    const sums = this.#zipfSums!;
    const at = this.#random.fraction() * sums[sums.length - 1]!;
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #book(buyer: number, seller: number, quantity: number, cost: number, refund: number): void {
    const buyerQuote = 2 * buyer + QUOTE;
    const buyerBase = 2 * buyer + BASE;
    const sellerBase = 2 * seller + BASE;
    const sellerQuote = 2 * seller + QUOTE;
    this.#frozen[buyerQuote]! -= cost + refund;
    this.#available[buyerQuote]! += refund;
    this.#versions[buyerQuote]! += refund > 0 ? 2 : 1;
    this.#available[buyerBase]! += quantity;
    this.#versions[buyerBase]! += 1;
    this.#frozen[sellerBase]! -= quantity;
    this.#versions[sellerBase]! += 1;
    this.#available[sellerQuote]! += cost;
    this.#versions[sellerQuote]! += 1;
    if (this.#frozen[buyerQuote]! < 0 || this.#frozen[sellerBase]! < 0)
      throw new RangeError(`trade ${this.trades} spends more than a user has: the stream is too long`);
  }
}
