/**
 * Whose turn it is. Anyone's, at even odds; or the market makers' in turn with takers drawn evenly (hot: one maker, who
 * so stands on one side of every trade) or by Zipf's law (five makers; the second user half as often as the first).
 */

import type { TradingFloor } from './engine.ts';
import type { Simulated } from './options.ts';
import type { Population } from './population.ts';
import type { Random } from './random.ts';

/** Shares of 1024 orders: how often a maker quotes when the book has both sides. */
const HOT_QUOTES = 120;
const ZIPF_QUOTES = 300;
const ZIPF_TAKERS = 700;

/** The next order's user, and what kind of order is expected. Neither `quotes` nor `takes`: as the user likes. */
export interface Turn {
  readonly user: number;
  /** A market maker's order, large, resting. */
  readonly quotes: boolean;
  /** An order that matches at once or is cancelled. */
  readonly takes: boolean;
}

export class UserDraw {
  readonly #options: Simulated;
  readonly #population: Population;
  readonly #random: Random;
  /** Zipf: running sums of 1/rank over the users who are no makers. */
  readonly #zipfSums: Float64Array | undefined;

  constructor(options: Simulated, population: Population, random: Random) {
    this.#options = options;
    this.#population = population;
    this.#random = random;
    const takers = options.users - population.makers.length;
    if (options.zipf && takers > 0) {
      this.#zipfSums = new Float64Array(takers);
      let sum = 0;
      for (let rank = 1; rank <= takers; rank++) this.#zipfSums[rank - 1] = sum += 1 / rank;
    }
  }

  /** Any user, makers too, by the scenario's odds. */
  any(): number {
    return this.#taker();
  }

  /** @param thin true where the book lacks a side. */
  draw(floor: TradingFloor, thin: boolean): Turn {
    const { makers, large } = this.#population;
    const random = this.#random;
    if (makers.length > 0) {
      if (thin || random.chance(this.#options.hot ? HOT_QUOTES : ZIPF_QUOTES)) {
        return { user: makers[random.below(makers.length)]!, quotes: true, takes: false };
      }
      return { user: this.#taker(), quotes: false, takes: this.#options.hot || random.chance(ZIPF_TAKERS) };
    }
    const user = floor.market.largeUsersOnly ? large[random.below(large.length)]! : this.#taker();
    return { user, quotes: false, takes: false };
  }

  #taker(): number {
    const { users } = this.#options;
    const makers = this.#population.makers.length;
    if (users === makers) return this.#random.below(users);
    if (this.#zipfSums === undefined) return makers + this.#random.below(users - makers);
    const sums = this.#zipfSums;
    const target = this.#random.fraction() * sums[sums.length - 1]!;
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sums[middle]! > target) high = middle;
      else low = middle + 1;
    }
    return makers + low;
  }
}
