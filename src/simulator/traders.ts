/**
 * What the simulated users do next: mostly orders about the market's middle, some of which cross it; now and then a
 * cancel, a deposit, a withdrawal, or a block trade of sums near 63 bits between two large users. Every step makes
 * progress, so that any number of trades is reached, and open orders are bounded.
 */

import type { Engine, TradingFloor } from './engine.ts';
import type { Order } from './book.ts';
import type { Simulated } from './options.ts';
import { type Population, smallFund, smallFundMax } from './population.ts';
import type { Random } from './random.ts';
import { UserDraw } from './user-draw.ts';

/** Open orders of one market above which users mostly take. No market ever holds more than twice as many. */
const OPEN_ORDERS_AIM = 200;
/** Ticks that a market's middle may move away from where it began. With spread and overshoot it stays below 20. */
const DRIFT_TICKS_MAX = 9;
const SPREAD_TICKS = 6;
const OVERSHOOT_TICKS = 4;
const ATTEMPTS = 6;

/** Shares of 1024 steps. */
const CANCELS = 40;
const WITHDRAWALS = 10;
const DEPOSITS = 6;
const BLOCK_TRADES = 12;
const SELF_TRADES = 12;

/** Chooses commands for an engine. */
export class Traders {
  readonly #engine: Engine;
  readonly #random: Random;
  readonly #options: Simulated;
  readonly #population: Population;
  readonly #users: UserDraw;
  /** Floors by weight. */
  readonly #turns: readonly TradingFloor[];
  readonly #driftTicks = new Map<TradingFloor, number>();
  readonly #openOrdersAim: number;

  constructor(engine: Engine, options: Simulated, population: Population, random: Random) {
    this.#engine = engine;
    this.#random = random;
    this.#options = options;
    this.#population = population;
    this.#users = new UserDraw(options, population, random);
    this.#turns = engine.floors.flatMap((floor) => Array.from({ length: floor.market.weight }, () => floor));
    this.#openOrdersAim = Math.min(OPEN_ORDERS_AIM, 4 + options.users * 2);
  }

  /** Gives the engine one or a few commands; at least one event is announced. */
  step(): void {
    const die = this.#random.below(1024);
    let done = false;
    if (die < CANCELS) done = this.#cancelAny();
    else if (die < CANCELS + WITHDRAWALS) done = this.#withdraw();
    else if (die < CANCELS + WITHDRAWALS + DEPOSITS)
      done = this.#options.laterDeposits && this.#depositMore();
    else if (die < CANCELS + WITHDRAWALS + DEPOSITS + BLOCK_TRADES) done = this.#blockTrade();
    for (let attempt = 0; attempt < ATTEMPTS && !done; attempt++) done = this.#order();
    if (!done && !this.#cancelAny() && !this.#depositMore()) {
      throw new Error('the simulated market stands still: nobody can afford an order');
    }
  }

  #order(): boolean {
    const floor = this.#floor();
    const { book } = floor;
    const size = book.size;
    const {
      user: drawn,
      quotes,
      takes,
    } = this.#users.draw(floor, size < 2 || book.depth(true) === 0 || book.depth(false) === 0);
    const crowded = size >= this.#openOrdersAim;
    let buy = this.#random.chance(512);
    // A quote goes to the thinner side; who takes looks for a side that is there.
    if (quotes && size > 0)
      buy = book.depth(true) < book.depth(false) || (book.depth(true) === book.depth(false) && buy);
    let crosses = takes || (!quotes && (crowded ? this.#random.chance(900) : this.#random.chance(560)));
    if (crosses && book.depth(!buy) === 0) {
      if (book.depth(buy) > 0) buy = !buy;
      else if (takes) return false;
      else crosses = false;
    }
    if (!crosses && size >= 2 * this.#openOrdersAim) return false;
    let user = drawn;
    if (crosses && this.#random.chance(SELF_TRADES)) user = book.best(!buy)!.user;
    const rests = !takes && (!crosses || this.#random.chance(820));
    return (
      this.#place(floor, user, buy, crosses, rests, quotes) ||
      this.#place(floor, user, !buy, crosses, rests, quotes)
    );
  }

  #place(
    floor: TradingFloor,
    user: number,
    buy: boolean,
    crosses: boolean,
    rests: boolean,
    large: boolean,
  ): boolean {
    const best = floor.book.best(!buy);
    if (crosses && best === undefined) return false;
    const tick = floor.market.tick;
    const ticks = BigInt(this.#random.below(crosses ? OVERSHOOT_TICKS : SPREAD_TICKS));
    // Crossing orders bid beyond the best price (whence price improvement), resting ones stay this side of the middle.
    const towards = crosses === buy ? ticks * tick : -ticks * tick;
    const price = (crosses ? best!.price : this.#middle(floor)) + towards;
    const wanted = this.#wanted(floor) * (large ? 8n : 1n);
    const affordable = this.#affordable(floor, user, buy, price);
    let quantity = wanted;
    if (wanted > affordable / 2n)
      quantity = this.#lots(floor, affordable / BigInt(2 + this.#random.below(4)));
    if (quantity === 0n) return false;
    const dust = !buy && this.#random.chance(200) ? this.#random.belowBig(floor.market.lot) : 0n;
    this.#engine.place({ floor, user, buy, price, quantity, dust, rests });
    return true;
  }

  /** Two large users trade as much as they can: one rests an order in the middle, the other takes it, in part or whole. */
  #blockTrade(): boolean {
    const { large, makers } = this.#population;
    if (makers.length > 0) return false;
    const floor = this.#engine.floors[this.#random.below(this.#engine.floors.length)]!;
    const seller = this.#random.chance(512);
    const rester = large[this.#random.below(large.length)]!;
    const taker = large[this.#random.below(large.length)]!;
    const price = this.#middle(floor);
    const limit =
      price + (seller ? 1n : -1n) * floor.market.tick * BigInt(this.#random.below(OVERSHOOT_TICKS));
    const offered = this.#affordable(floor, rester, !seller, price);
    const asked = this.#affordable(floor, taker, seller, limit);
    const most = (offered < asked ? offered : asked) >> BigInt(this.#random.below(5));
    const quantity = this.#lots(floor, most - this.#random.belowBig(most / 4n + 1n));
    if (quantity === 0n) return false;
    const order: Order = this.#engine.place({
      floor,
      user: rester,
      buy: !seller,
      price,
      quantity,
      dust: 0n,
      rests: true,
    });
    const wanted = this.#lots(floor, this.#random.chance(512) ? quantity : quantity - quantity / 3n);
    if (wanted > 0n) {
      this.#engine.place({
        floor,
        user: taker,
        buy: seller,
        price: limit,
        quantity: wanted,
        dust: 0n,
        rests: false,
      });
    }
    if (order.remaining > 0n) this.#engine.cancel(floor, order);
    return true;
  }

  #cancelAny(): boolean {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const floor = this.#floor();
      if (floor.book.size === 0) continue;
      const order = floor.book.at(this.#random.below(floor.book.size))!;
      this.#engine.cancel(floor, order);
      return true;
    }
    return false;
  }

  #withdraw(): boolean {
    const { accounts } = this.#engine;
    const user = this.#users.any();
    const asset = this.#random.below(accounts.assets.length);
    const part = accounts.available(accounts.slot(user, asset)) / 64n;
    if (part === 0n) return false;
    this.#engine.withdraw(user, asset, 1n + this.#random.belowBig(part));
    return true;
  }

  #depositMore(): boolean {
    const { accounts } = this.#engine;
    const user = this.#users.any();
    const asset = this.#random.below(accounts.assets.length);
    const amount = smallFund(smallFundMax(accounts.assets[asset]!, this.#options), this.#random);
    if (amount > accounts.room(asset)) return false;
    this.#engine.deposit(user, asset, amount);
    return true;
  }

  #floor(): TradingFloor {
    return this.#turns[this.#random.below(this.#turns.length)]!;
  }

  /** The market's middle: a walk of whole ticks within bounds. */
  #middle(floor: TradingFloor): bigint {
    let drift = this.#driftTicks.get(floor) ?? 0;
    if (this.#random.chance(64)) drift += this.#random.chance(512) ? 1 : -1;
    drift = Math.max(-DRIFT_TICKS_MAX, Math.min(DRIFT_TICKS_MAX, drift));
    this.#driftTicks.set(floor, drift);
    return floor.market.priceMid + BigInt(drift) * floor.market.tick;
  }

  /** A quantity about what is usual, at times a tiny one. */
  #wanted(floor: TradingFloor): bigint {
    const { quantityTypical, lot } = floor.market;
    if (this.#random.chance(64)) return lot * BigInt(1 + this.#random.below(3));
    const quantity = this.#lots(floor, quantityTypical / 4n + this.#random.belowBig(quantityTypical * 2n));
    return quantity > 0n ? quantity : lot;
  }

  /** The most whole lots that a user can have frozen, with a lot to spare for dust. */
  #affordable(floor: TradingFloor, user: number, buy: boolean, price: bigint): bigint {
    const { accounts } = this.#engine;
    const available = accounts.available(accounts.slot(user, buy ? floor.quote : floor.base));
    const quantity = buy ? available / price : available - floor.market.lot;
    return quantity > 0n ? this.#lots(floor, quantity) : 0n;
  }

  #lots(floor: TradingFloor, quantity: bigint): bigint {
    return quantity - (quantity % floor.market.lot);
  }
}
