/**
 * What the partition's logic needs of the world: time, timers, one activity, a place for a line of text. The workflow
 * hands in Temporal's (partition.ts), a simulation its own, so that the same logic runs in both (I9).
 */
import type {
  DecideEnding,
  DecideOrder,
  SettleAttempt,
  SettleAttemptResult,
  SeenLease,
  SettleResult,
} from './contract.ts';

/** How one attempt ended. */
export type AttemptEnding =
  | { readonly kind: 'answered'; readonly result: SettleAttemptResult }
  /** Given up for good after its own retries: storage or workers did not answer in time. */
  | { readonly kind: 'unavailable'; readonly problem: string }
  /** The activity found that the rows are none of ours. */
  | { readonly kind: 'bad-chunk'; readonly problem: string };

/** The world as the partition sees it. Nothing here may throw, but for `Refused` nothing is thrown back. */
export interface PartitionRuntime {
  /** Ms since the epoch; on replay the same as it was. */
  now(): number;
  /** Returns after `ms`, or as soon as `wake` is true. */
  sleep(ms: number, summary: string, wake: () => boolean): Promise<void>;
  /** One attempt, with its own retries, given up after `budgetMs`. */
  settle(attempt: SettleAttempt, summary: string, budgetMs: number): Promise<AttemptEnding>;
  /**
   * Carries out a person's decision, with its own retries, given up after `budgetMs`: then nobody knows how far it came.
   * Left out where nobody decides.
   */
  decide?(
    order: DecideOrder,
    summary: string,
    budgetMs: number,
  ): Promise<DecideEnding | { readonly kind: 'unknown'; readonly problem: string }>;
  /** Shows people how the partition is. Called often; must be cheap. */
  setDetails?(text: string): void;
}

/** An Update that is not carried out. `type` is one of the contract's `FAILURE`s. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly type: string;
  /** For type `halted`: what the Update would have answered; for `stale-lease` the newer one. */
  readonly detail: SettleResult | SeenLease | undefined;

  constructor(type: string, message: string, detail?: SettleResult | SeenLease) {
    super(message);
    this.type = type;
    this.detail = detail;
  }
}
