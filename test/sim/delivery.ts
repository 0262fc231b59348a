/**
 * How writes reach replicas: at once or one by one, partition by partition, missed by one, or in part. A replica that is
 * down is told later.
 */
import type { Faults } from './faults.ts';
import type { Random } from './random.ts';
import type { Mutation, PlacedTieListener, Replica } from './replica.ts';
import type { Scheduler } from './scheduler.ts';
import { byPartition } from './slices.ts';

/** A replica that is back learns of what it missed after so long, ms. */
const HINT_MS = 500;
/** A read asks so many replicas. */
export const QUORUM = 2;

/** What delivery is made of. */
export interface DeliveryOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  /** Told where two writes of a cell at one time differ (I2). */
  readonly onTie: PlacedTieListener;
}

/** Brings writes to replicas. */
export class Delivery {
  readonly replicas: readonly Replica[];
  /** How often a write reaches its replicas one by one, and how far apart at most, ms. */
  readonly apart: number;
  readonly apartMs: number;
  readonly #options: DeliveryOptions;

  constructor(replicas: readonly Replica[], options: DeliveryOptions) {
    this.replicas = replicas;
    this.#options = options;
    this.apart = options.random.pick([0.05, 0.3, 0.8]);
    this.apartMs = options.random.pick([5, 50, 300]);
  }

  /** Lets a replica have a row. */
  apply(replica: Replica, mutation: Mutation): void {
    replica.apply(mutation, this.#options.onTie);
  }

  /**
   * Lets replicas have a write, one by one or at once.
   *
   * @param acknowledged called when as many as needed have all of it
   * @param missing called for each that cannot take it now
   * @param wholeMs of a LOGGED BATCH, after how long its log has been replayed, ms: from then on every read at quorum
   *   finds all of it, whichever replica was down and whichever missed it
   */
  spread(
    mutations: readonly Mutation[],
    slowMs: number,
    acknowledged: () => void,
    missing: () => void,
    needed: number,
    wholeMs?: number,
  ): void {
    const { scheduler, random, faults } = this.#options;
    const missed = faults.strikes('replica-missed') ? random.below(this.replicas.length) : -1;
    const missedMs = random.chance(0.5) ? random.between(1_000, 60_000) : Infinity;
    const isApart = missed >= 0 || random.chance(this.apart);
    const groups = isApart ? byPartition(mutations) : [mutations];
    let left = groups.length;
    for (const group of groups) {
      const taken = new Set<Replica>();
      if (wholeMs !== undefined)
        scheduler.in(scheduler.world, wholeMs, () => {
          this.#makeWhole(group, taken);
        });
      const arrives = (replica: Replica): void => {
        if (!this.#deliver(replica, group)) {
          missing();
          return;
        }
        taken.add(replica);
        if (taken.size === needed) left -= 1;
        if (taken.size === needed && left === 0) acknowledged();
      };
      if (!isApart) {
        scheduler.in(scheduler.world, slowMs, () => {
          for (const replica of this.replicas) arrives(replica);
        });
        continue;
      }
      for (const [index, replica] of this.replicas.entries())
        if (index !== missed)
          scheduler.in(scheduler.world, slowMs + random.between(0, this.apartMs), () => {
            arrives(replica);
          });
        else if (missedMs < Infinity)
          scheduler.in(scheduler.world, missedMs, () => {
            this.#deliver(replica, group);
          });
    }
  }

  /** Lets some replicas have some of it, now. */
  spreadPart(mutations: readonly Mutation[]): void {
    const { random } = this.#options;
    const share = random.between(0.1, 0.9);
    for (const group of byPartition(mutations))
      for (const replica of this.replicas) if (random.chance(share)) this.#deliver(replica, group);
  }

  /**
   * Lets all replicas have some partitions of it, now, and none the others: no read finds the rest. One at least that
   * `first` names is there, and one at least that it does not name is not.
   */
  spreadPartitions(mutations: readonly Mutation[], first: (partition: string) => boolean): void {
    const { random } = this.#options;
    const isFirst = ([mutation]: readonly Mutation[]): boolean =>
      mutation !== undefined && first(mutation.partition);
    const groups = byPartition(mutations);
    const there = random.pick(groups.filter(isFirst));
    const missing = random.pick(groups.filter((group) => !isFirst(group)));
    for (const group of groups)
      if (group === there || (group !== missing && random.chance(0.5)))
        for (const replica of this.replicas) this.#deliver(replica, group);
  }

  /** Two replicas have it now: one that is down as well if need be, which none can read before it is back. */
  #makeWhole(mutations: readonly Mutation[], taken: Set<Replica>): void {
    const { nowMs } = this.#options.scheduler;
    const isUp = (replica: Replica): boolean => replica.downUntilMs <= nowMs;
    for (const replica of [...this.replicas.filter(isUp), ...this.replicas]) {
      if (taken.size >= QUORUM) return;
      if (taken.has(replica)) continue;
      taken.add(replica);
      for (const mutation of mutations) this.apply(replica, mutation);
    }
  }

  /** A replica that is down is told when it is back: the coordinator kept a hint. False then. */
  #deliver(replica: Replica, mutations: readonly Mutation[]): boolean {
    const { scheduler } = this.#options;
    if (replica.downUntilMs > scheduler.nowMs) {
      scheduler.in(scheduler.world, replica.downUntilMs - scheduler.nowMs + HINT_MS, () => {
        this.#deliver(replica, mutations);
      });
      return false;
    }
    for (const mutation of mutations) this.apply(replica, mutation);
    return true;
  }
}
