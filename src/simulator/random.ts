/**
 * The simulator's own source of chance: xoshiro128** seeded by splitmix32, on 32-bit integers alone, so the same seed
 * gives the same stream on every machine. Bigints appear only where an amount of up to 63 bits is drawn.
 * Reference: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2018), https://prng.di.unimi.it.
 */

const TWO_32 = 2 ** 32;

/** A seeded generator. Not for secrets: whoever sees some values can tell the next. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @param seed any safe integer ≥ 0; both its low 32 and its high 21 bits count. */
  constructor(seed: number) {
    let state = (seed >>> 0) ^ Math.imul(Math.floor(seed / TWO_32), 0x85ebca6b);
    const splitmix = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return z ^ (z >>> 15);
    };
    this.#a = splitmix();
    this.#b = splitmix();
    this.#c = splitmix();
    // A state of four zeros would stay there for ever.
    this.#d = splitmix() || 1;
  }

  /** The next 32 bits, 0 … 2³² − 1. */
  next(): number {
    const scrambled = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotateLeft(this.#d, 11);
    return scrambled >>> 0;
  }

  /** An integer of 0 … bound − 1, for bounds up to 2²¹ (so that the product stays exact). */
  below(bound: number): number {
    return Math.floor((this.next() * bound) / TWO_32);
  }

  /** True `share` times in 1024. */
  chance(share: number): boolean {
    return this.next() >>> 22 < share;
  }

  /** A fraction of [0, 1) with 32 bits. */
  fraction(): number {
    return this.next() / TWO_32;
  }

  /** A bigint of 0 … bound − 1 for 0 < bound ≤ 2⁶³, all bits drawn; the bias of the remainder is of no account here. */
  belowBig(bound: bigint): bigint {
    const high = this.next();
    return ((BigInt(high) << 32n) | BigInt(this.next())) % bound;
  }
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
