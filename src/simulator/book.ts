/**
 * The open orders of one market, in price-time order. Each side is an array whose last element is the best order: by
 * price, then by age. The number of open orders is bounded by the traders (traders.ts), so insertion by shifting is cheap.
 */

/** An order that rests or is being matched. */
export interface Order {
  readonly id: bigint;
  /** Index of the user. */
  readonly user: number;
  readonly buy: boolean;
  /** Limit, in quote units for one base unit. */
  readonly price: bigint;
  /** Base quantity not yet matched. */
  remaining: bigint;
  /** Sell orders: base frozen beyond the quantity, below the market's lot; released with the last fill or a cancel. */
  readonly dust: bigint;
}

/** Bids and asks of one market. */
export class Book {
  readonly #bids: Order[] = [];
  readonly #asks: Order[] = [];

  get size(): number {
    return this.#bids.length + this.#asks.length;
  }

  /** Number of orders of one side. */
  depth(buy: boolean): number {
    return this.#side(buy).length;
  }

  /** The best order of a side. */
  best(buy: boolean): Order | undefined {
    return this.#side(buy).at(-1);
  }

  /** Any order, by its position in 0 … size − 1. */
  at(position: number): Order | undefined {
    const bids = this.#bids.length;
    return position < bids ? this.#bids[position] : this.#asks[position - bids];
  }

  /** Rests an order behind all of the same or a better price. */
  add(order: Order): void {
    const side = this.#side(order.buy);
    let low = 0;
    let high = side.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = side[middle]!;
      const worse = order.buy ? other.price < order.price : other.price > order.price;
      if (worse) low = middle + 1;
      else high = middle;
    }
    side.splice(low, 0, order);
  }

  remove(order: Order): void {
    const side = this.#side(order.buy);
    if (side.at(-1) === order) side.pop();
    else {
      const position = side.indexOf(order);
      if (position >= 0) side.splice(position, 1);
    }
  }

  /** The best opposite order that an order at this limit may trade with. */
  crossing(buy: boolean, limit: bigint): Order | undefined {
    const best = this.best(!buy);
    if (best === undefined) return undefined;
    return (buy ? best.price <= limit : best.price >= limit) ? best : undefined;
  }

  #side(buy: boolean): Order[] {
    return buy ? this.#bids : this.#asks;
  }
}
