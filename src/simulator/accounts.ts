/**
 * The simulated engine's own books, and so the oracle: available, frozen and version of every balance, in typed arrays
 * whose size depends on users and assets alone. It shares no code with the domain's legs and calculations, so that a
 * mistake there cannot hide here too. A change that would leave 63 bits or go below zero throws: it is a fault of the
 * simulator itself.
 */

/** The largest amount, id or version there is: 2⁶³ − 1. */
export const INTEGER_MAX = 2n ** 63n - 1n;

/** One balance as the oracle file states it. Its order of keys is the file's. */
export interface OracleBalance {
  readonly user: string;
  readonly asset: number;
  readonly available: string;
  readonly frozen: string;
  readonly version: string;
}

/** Balances by slot. A slot is one (user index, asset index); every change returns the version before it. */
export class Accounts {
  readonly userIds: readonly bigint[];
  readonly assets: readonly number[];
  readonly #available: BigInt64Array;
  readonly #frozen: BigInt64Array;
  readonly #version: Float64Array;
  /** Per asset index: all that was deposited and not withdrawn. It stays within 63 bits, and so does every balance. */
  readonly #supply: bigint[];

  /** @param userIds ascending. @param assets ascending. */
  constructor(userIds: readonly bigint[], assets: readonly number[]) {
    this.userIds = userIds;
    this.assets = assets;
    const slots = userIds.length * assets.length;
    this.#available = new BigInt64Array(slots);
    this.#frozen = new BigInt64Array(slots);
    this.#version = new Float64Array(slots);
    this.#supply = assets.map(() => 0n);
  }

  slot(user: number, asset: number): number {
    return user * this.assets.length + asset;
  }

  available(slot: number): bigint {
    return this.#available[slot]!;
  }

  /** How much more of an asset can be deposited before its supply would leave 63 bits. */
  room(asset: number): bigint {
    return INTEGER_MAX - this.#supply[asset]!;
  }

  deposit(slot: number, amount: bigint): number {
    const asset = slot % this.assets.length;
    this.#supply[asset] = whole(this.#supply[asset]! + amount);
    return this.#change(slot, amount, 0n, 1);
  }

  withdraw(slot: number, amount: bigint): number {
    this.#supply[slot % this.assets.length]! -= amount;
    return this.#change(slot, -amount, 0n, 1);
  }

  lock(slot: number, amount: bigint): number {
    return this.#change(slot, -amount, amount, 1);
  }

  unlock(slot: number, amount: bigint): number {
    return this.#change(slot, amount, -amount, 1);
  }

  /** Pays `amount` out of what is frozen; a refund returns to available and counts as a change of its own. */
  pay(slot: number, amount: bigint, refund: bigint): number {
    return this.#change(slot, refund, -amount - refund, refund > 0n ? 2 : 1);
  }

  receive(slot: number, amount: bigint): number {
    return this.#change(slot, amount, 0n, 1);
  }

  /** Every balance that was ever touched, sorted by user and asset. */
  *balances(): Generator<OracleBalance, void, void> {
    for (let user = 0; user < this.userIds.length; user++) {
      for (let asset = 0; asset < this.assets.length; asset++) {
        const slot = this.slot(user, asset);
        if (this.#version[slot] === 0) continue;
        yield {
          user: String(this.userIds[user]),
          asset: this.assets[asset]!,
          available: String(this.#available[slot]),
          frozen: String(this.#frozen[slot]),
          version: String(this.#version[slot]),
        };
      }
    }
  }

  #change(slot: number, available: bigint, frozen: bigint, steps: 1 | 2): number {
    if (available !== 0n) this.#available[slot] = whole(this.#available[slot]! + available);
    if (frozen !== 0n) this.#frozen[slot] = whole(this.#frozen[slot]! + frozen);
    const before = this.#version[slot]!;
    this.#version[slot] = before + steps;
    return before;
  }
}

function whole(value: bigint): bigint {
  if (value < 0n || value > INTEGER_MAX) throw new Error(`the simulator's books left 63 bits: ${value}`);
  return value;
}
