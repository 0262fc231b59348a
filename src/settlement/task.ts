/**
 * A task: one event in the settler's memory, from the first asker to its last ledger entry. An event that is there
 * already is joined, never started twice.
 */
import type { Balance } from '../domain/balance.ts';
import type { Mismatch } from '../domain/decision.ts';
import type { LedgerEntry } from '../domain/entries.ts';
import type { SettlementEvent } from '../domain/event.ts';
import type { Leg, Touch } from '../domain/legs.ts';
import type { HeldBalance } from './held-balance.ts';
import type { EncodedEvent } from './port.ts';
import type { EventOutcome } from './settle-request.ts';

/** Somebody who waits for an event's outcome. */
export interface Asker {
  resolve(outcome: EventOutcome): void;
  reject(error: Error): void;
}

/**
 * Where an event is:
 * - `waiting`: for its balances to be read or to reach its versions,
 * - `calculated`: its values are known, its batch is not yet acknowledged,
 * - `written`: its batch is acknowledged, its entries are not,
 * - `done`: answered.
 */
export type TaskState = 'waiting' | 'calculated' | 'written' | 'done';

/** An event at hand. */
export interface Task {
  readonly id: string;
  readonly stream: string;
  readonly event: SettlementEvent;
  readonly digest: Buffer;
  readonly settledBy: string;
  readonly predecessors: readonly (bigint | undefined)[];
  readonly legs: readonly Leg[];
  readonly touches: readonly Touch[];
  /** In the order of `touches`. */
  readonly held: readonly HeldBalance[];
  readonly askers: Set<Asker>;
  state: TaskState;
  /** When a read first found it in doubt. */
  doubtSinceMs: number | undefined;
  doubt: Mismatch | undefined;
  /** When the database is to be looked at again for it, and how long it then waits. */
  lookAtMs: number;
  lookDelayMs: number;
  /** Once calculated: its row, the balances after (in the order of `touches`), its entries. */
  encoded?: EncodedEvent;
  after?: readonly Balance[];
  entries?: readonly LedgerEntry[];
  /** Events whose batches must be acknowledged before this one's is sent (I4); those that wait for this one. */
  blockers: number;
  readonly dependents: Set<Task>;
  /** True from being taken into a batch until that batch has ended. */
  inBatch: boolean;
}
