/**
 * A task: one event in the settler's memory, from the first asker to its last ledger entry. An event that is there
 * already is joined, never started twice.
 */
import type { Balance } from '../domain/balance.ts';
import type { CalculatedLeg } from '../domain/calculate.ts';
import type { Mismatch } from '../domain/decision.ts';
import type { SettlementEvent } from '../domain/event.ts';
import type { Touch } from '../domain/legs.ts';
import type { Asker } from './attempt.ts';
import type { HeldBalance } from './held-balance.ts';
import type { EncodedEvent } from './port.ts';

/**
 * Where an event is:
 * - `waiting`: for its balances to be read or to reach its versions,
 * - `calculated`: its values are known, its batch is not yet acknowledged,
 * - `written`: its batch is acknowledged, its entries are not,
 * - `done`: answered.
 */
export type TaskState = 'waiting' | 'calculated' | 'written' | 'done';

/** The name under which an event is at hand: "main/12". */
export const taskId = (stream: string, sequence: bigint): string => `${stream}/${sequence}`;

/** An event at hand. */
export interface Task {
  readonly id: string;
  readonly stream: string;
  readonly event: SettlementEvent;
  readonly digest: Buffer;
  readonly settledBy: string;
  readonly predecessors: readonly (bigint | undefined)[];
  readonly touches: readonly Touch[];
  /** In the order of `touches`. */
  readonly held: readonly HeldBalance[];
  /** Whoever asks for it: mostly one. */
  askers: Asker[];
  state: TaskState;
  /** When it came, ms. */
  readonly sinceMs: number;
  /** When a read first found it in doubt. */
  doubtSinceMs: number | undefined;
  doubt: Mismatch | undefined;
  /** When the database is to be looked at again for it, and how long it then waits. */
  lookAtMs: number;
  lookDelayMs: number;
  /** Once calculated: its legs, and the balances after in the order of `touches`. */
  calculated: readonly CalculatedLeg[];
  after: readonly Balance[];
  /** Its row, while it is in a batch. */
  encoded: EncodedEvent | undefined;
  /** Events whose batches must be acknowledged before this one's is sent (I4); those that wait for this one. */
  blockers: number;
  readonly dependents: Task[];
  /** True from being taken into a batch until that batch has ended. */
  inBatch: boolean;
}
