/**
 * The balances of a classic stream as its engine should have them: read from the database once, then followed event by
 * event. One that has had nothing in flight for a while may be forgotten, and is read again: what is settled every
 * quorum shows. So the memory is bounded by what moves, not by who ever had a balance. What a person dismissed is in the
 * engine's book and not in the database: of a balance that is read again it is gone from this one, as after a restart.
 */
import { balanceName, type BalanceKey } from '../domain/balance.ts';
import { touchesOf, type Leg } from '../domain/legs.ts';

/** A balance as the engine should have it. */
export interface BookedBalance {
  available: bigint;
  frozen: bigint;
  version: bigint;
}

/** Bounds of a book. */
export interface ClassicBookLimits {
  /** Above so many, those that have been at rest are forgotten. */
  readonly balancesMax: number;
  /** At rest is what nothing of was in flight for so long, ms. A margin: what is settled can be read at once. */
  readonly restMs: number;
}

const LIMITS: ClassicBookLimits = { balancesMax: 50_000, restMs: 60_000 };
/** Balances looked at for each that is added: more than one, so that the book shrinks. */
const LOOKED_AT_EACH = 4;

/** What a book stands on. */
export interface ClassicBookOptions {
  /** Reads balances from the database. */
  readBalances(keys: readonly BalanceKey[]): Promise<readonly Readonly<BookedBalance>[]>;
  readonly limits?: ClassicBookLimits | undefined;
  /** A monotonic clock, ms. */
  nowMs?(): number;
}

interface Entry extends BookedBalance {
  /** Events in flight that touch it. */
  inFlight: number;
  /** When it was last asked for, or something of it settled, ms. */
  touchedMs: number;
}

/** Follows balances. */
export class ClassicBook {
  readonly #options: ClassicBookOptions;
  readonly #limits: ClassicBookLimits;
  /** In the order in which they are looked at next. */
  readonly #entries = new Map<string, Entry>();

  constructor(options: ClassicBookOptions) {
    this.#options = options;
    this.#limits = options.limits ?? LIMITS;
  }

  /** Balances that are held. */
  get size(): number {
    return this.#entries.size;
  }

  /** A balance that was asked for before; undefined where it was not. */
  get(name: string): Readonly<BookedBalance> | undefined {
    return this.#entries.get(name);
  }

  /** Balances, read where they are not held. In the order of the keys. */
  async read(keys: readonly BalanceKey[]): Promise<Readonly<BookedBalance>[]> {
    const unknown = keys.filter((key) => !this.#entries.has(balanceName(key)));
    const read = unknown.length > 0 ? await this.#options.readBalances(unknown) : [];
    const touchedMs = this.#now;
    for (const [index, key] of unknown.entries()) {
      const { available = 0n, frozen = 0n, version = 0n } = read[index] ?? {};
      this.#entries.set(balanceName(key), { available, frozen, version, inFlight: 0, touchedMs });
    }
    const found = keys.map((key) => this.#held(key));
    for (const entry of found) entry.touchedMs = touchedMs;
    for (const _ of unknown) this.#forget();
    return found;
  }

  /** An event was accepted: its balances move on, and stay until it is settled. */
  accepted(legs: readonly Leg[]): void {
    for (const leg of legs) {
      const entry = this.#held(leg);
      for (const step of leg.steps) {
        entry.available += step.availableChange;
        entry.frozen += step.frozenChange;
        entry.version += 1n;
      }
    }
    for (const touch of touchesOf(legs)) this.#held(touch).inFlight += 1;
  }

  /** An event that was accepted is settled. */
  settled(touches: readonly BalanceKey[]): void {
    for (const touch of touches) {
      const entry = this.#entries.get(balanceName(touch));
      if (!entry) continue;
      entry.inFlight -= 1;
      entry.touchedMs = this.#now;
    }
  }

  #held(key: BalanceKey): Entry {
    const entry = this.#entries.get(balanceName(key));
    if (!entry) throw new Error(`classic book: ${balanceName(key)} is not held`);
    return entry;
  }

  get #now(): number {
    return this.#options.nowMs?.() ?? performance.now();
  }

  /** Forgets what is at rest, as far as there are too many; whom it meets else is looked at again last. */
  #forget(): void {
    const { balancesMax, restMs } = this.#limits;
    for (let look = 0; look < LOOKED_AT_EACH && this.#entries.size > balancesMax; look += 1) {
      const [name, entry] = this.#entries.entries().next().value!;
      this.#entries.delete(name);
      if (entry.inFlight > 0 || this.#now - entry.touchedMs < restMs) this.#entries.set(name, entry);
    }
  }
}
