/**
 * What goes wrong: for each seed a mix of its own, so that some seeds have many of a kind and none of another. Faults of
 * operations strike with a probability; those of processes and servers are planned (plan.ts). After a while all is quiet,
 * so that what is left must come to an end. Each that strikes is counted.
 */
import type { Random } from './random.ts';

/** Faults of single operations. */
export const OPERATION_FAULTS = [
  /** The client sees a time-out; the batch is carried out in full within the batch log's time. */
  'batch-late',
  /** The client sees a time-out; part is visible at once, the rest within the batch log's time. */
  'batch-partial',
  /** The client sees a time-out; nothing is ever carried out. */
  'batch-never',
  /** The client sees an error that is no time-out; carried out or not. */
  'batch-error',
  'write-late',
  'write-partial',
  'write-never',
  'write-error',
  /** Carried out, but the answer is lost: a time-out. */
  'answer-lost',
  /** One replica misses a write; it learns of it late, or by a read's repair. */
  'replica-missed',
  'slow-write',
  'slow-read',
  'read-error',
  'lease-doubtful',
  'update-lost',
  'update-answer-lost',
  /** The server keeps the sender waiting for an Update of which its workflow never hears. */
  'update-forgotten',
  'activity-result-lost',
  /** The server hears nothing more of an attempt, which goes on: a zombie. */
  'heartbeats-lost',
  'attempt-late',
  /** A worker dies just when it has sent a batch that is carried out in part, or late. */
  'killed-while-writing',
] as const;

/** Faults that are planned for a moment. */
export const PLANNED_FAULTS = [
  'worker-killed',
  'worker-stopped',
  'ingest-killed',
  'ingest-stopped',
  'ingest-second',
  'engine-restarted',
  'connection-reset',
  'messages-lost',
  'messages-repeated',
  'messages-reordered',
  'replica-down',
  /**
   * A worker dies with a batch of which some partitions are there and the rest comes when the batch log's time is all but
   * over; reads are slow about then, so that some see it in part and are answered behind the settler's limit for a doubt.
   */
  'batch-whole-late',
  'database-away',
  'temporal-away',
] as const;

/** Engines that misbehave. */
export const MISBEHAVIOURS = [
  'other-content-below',
  'other-content-above',
  'tail-rewritten',
  'version-twice',
  'version-taken',
  'version-passed',
  'version-skipped',
  'trade-id-twice',
  'numbering-restarted',
  'overdrawn',
  'sequence-skipped',
  'second-engine',
  'hand-made-write',
] as const;

export type OperationFault = (typeof OPERATION_FAULTS)[number];
export type PlannedFault = (typeof PLANNED_FAULTS)[number];
export type Misbehaviour = (typeof MISBEHAVIOURS)[number];
export type FaultKind = OperationFault | PlannedFault | Misbehaviour;

/** All kinds. */
export const FAULT_KINDS: readonly FaultKind[] = [...OPERATION_FAULTS, ...PLANNED_FAULTS, ...MISBEHAVIOURS];

/** Least and most that an operation fails that fails in this seed at all. */
const CHANCE_MIN = 0.003;
const CHANCE_MAX = 0.25;

/** The faults of one seed. */
export class Faults {
  readonly struck = new Map<FaultKind, number>();
  /** Faults strike as long as this is true. */
  active = true;
  readonly #random: Random;
  readonly #chances = new Map<OperationFault, number>();

  constructor(random: Random) {
    this.#random = random;
    const density = random.between(0.1, 0.7);
    for (const kind of OPERATION_FAULTS)
      if (random.chance(density))
        this.#chances.set(
          kind,
          kind === 'killed-while-writing'
            ? random.between(0.2, 0.9)
            : CHANCE_MIN * (CHANCE_MAX / CHANCE_MIN) ** random.next(),
        );
  }

  /** How many struck in all. */
  get total(): number {
    let total = 0;
    for (const count of this.struck.values()) total += count;
    return total;
  }

  /** Whether an operation's fault strikes now. */
  strikes(kind: OperationFault): boolean {
    const chance = this.#chances.get(kind);
    if (!this.active || chance === undefined || !this.#random.chance(chance)) return false;
    this.count(kind);
    return true;
  }

  /** The first of several that strikes, if any does. */
  strikesOne<T extends OperationFault>(kinds: readonly T[]): T | undefined {
    return kinds.find((kind) => this.strikes(kind));
  }

  count(kind: FaultKind): void {
    this.struck.set(kind, (this.struck.get(kind) ?? 0) + 1);
  }
}
