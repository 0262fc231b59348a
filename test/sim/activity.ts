/**
 * One activity as Temporal's server sees it: attempts on whichever worker takes them, heartbeats, time-outs, retries with
 * backoff, and an end of its own. An attempt that timed out is not stopped by that: it goes on as a zombie until it learns
 * of it by a heartbeat, if ever.
 */
import { ApplicationFailure } from '@temporalio/common';
import { reasonOf } from '../../src/logging/reason-of.ts';
import {
  FAILURE,
  type PartitionLimits,
  type SettleAttempt,
  type SettleAttemptResult,
} from '../../src/workflows/contract.ts';
import type { AttemptEnding } from '../../src/workflows/partition-runtime.ts';
import type { TemporalServer } from './temporal.ts';
import type { WorkerHost } from './worker-host.ts';

const RETRY_MS_FIRST = 200;
const RETRY_MS_MAX = 2_000;
/** A worker whose answer the server does not take tries again so often, ms. */
const REPORT_AGAIN_MS = 500;

/** One attempt on a worker. */
export class ActivityAttempt {
  /** False once the server has given it up. */
  open = true;
  /** True if the server hears nothing of it. */
  readonly muted: boolean;
  readonly number: number;
  readonly request: SettleAttempt;
  readonly workflowId: string;
  readonly runId: string;
  readonly heartbeatMs: number;
  lastHeardMs: number;
  readonly #activity: Activity;

  constructor(activity: Activity, number: number, muted: boolean, nowMs: number) {
    this.#activity = activity;
    this.number = number;
    this.muted = muted;
    this.request = activity.request;
    this.workflowId = activity.workflowId;
    this.runId = activity.runId;
    this.heartbeatMs = activity.limits.heartbeatMsMax;
    this.lastHeardMs = nowMs;
  }

  /** A heartbeat. True if the attempt is cancelled. */
  heartbeat(nowMs: number, isAway: boolean): boolean {
    if (this.muted || isAway) return false;
    this.lastHeardMs = nowMs;
    return !this.open;
  }

  /** The worker reports how it ended. */
  report(ending: { readonly result: SettleAttemptResult } | { readonly error: unknown }): void {
    this.#activity.reported(this, ending);
  }
}

/** What an activity is made of. */
export interface ActivityOptions {
  readonly server: TemporalServer;
  readonly request: SettleAttempt;
  readonly workflowId: string;
  readonly runId: string;
  readonly limits: PartitionLimits;
  readonly budgetMs: number;
  ended(ending: AttemptEnding): void;
}

/** One activity. */
export class Activity {
  readonly request: SettleAttempt;
  readonly workflowId: string;
  readonly runId: string;
  readonly limits: PartitionLimits;
  readonly #options: ActivityOptions;
  readonly #deadlineMs: number;
  #attempts = 0;
  #current: ActivityAttempt | undefined;
  #done = false;
  #problem = 'no worker took it';

  private constructor(options: ActivityOptions) {
    const { scheduler } = options.server;
    this.#options = options;
    this.request = options.request;
    this.workflowId = options.workflowId;
    this.runId = options.runId;
    this.limits = options.limits;
    this.#deadlineMs = scheduler.nowMs + options.budgetMs;
    scheduler.in(scheduler.world, options.budgetMs, () => {
      this.#end({ kind: 'unavailable', problem: `schedule-to-close: ${this.#problem}` });
    });
  }

  /** Schedules one: it tells how it ended. */
  static start(options: ActivityOptions): void {
    new Activity(options).#dispatch();
  }

  reported(
    attempt: ActivityAttempt,
    ending: { readonly result: SettleAttemptResult } | { readonly error: unknown },
  ): void {
    const { server } = this.#options;
    const { scheduler, faults } = server;
    if (attempt.muted || faults.strikes('activity-result-lost')) return;
    if (server.awayUntilMs > scheduler.nowMs) {
      scheduler.in(scheduler.world, REPORT_AGAIN_MS, () => {
        this.reported(attempt, ending);
      });
      return;
    }
    if (this.#done || attempt !== this.#current || !attempt.open) return;
    attempt.open = false;
    if ('result' in ending) {
      this.#end({ kind: 'answered', result: ending.result });
      return;
    }
    const { error } = ending;
    if (error instanceof ApplicationFailure && error.type === FAILURE.badChunk) {
      this.#end({ kind: 'bad-chunk', problem: error.message });
      return;
    }
    this.#again(reasonOf(error));
  }

  #dispatch(): void {
    const { server } = this.#options;
    server.whenWorker((worker) => {
      if (!this.#done) this.#begin(worker);
    });
  }

  #begin(worker: WorkerHost): void {
    const { server } = this.#options;
    const { scheduler, faults, random } = server;
    this.#attempts += 1;
    const attempt = new ActivityAttempt(
      this,
      this.#attempts,
      faults.strikes('heartbeats-lost'),
      scheduler.nowMs,
    );
    this.#current = attempt;
    const lateMs = faults.strikes('attempt-late') ? random.between(50, 5_000) : random.between(0.2, 2);
    worker.run(attempt, lateMs);
    this.#watch(attempt);
    scheduler.in(scheduler.world, this.limits.activityMsMax, () => {
      this.#timeOut(attempt, 'start-to-close');
    });
  }

  #watch(attempt: ActivityAttempt): void {
    const { scheduler } = this.#options.server;
    const dueMs = attempt.lastHeardMs + this.limits.heartbeatMsMax;
    scheduler.in(scheduler.world, dueMs - scheduler.nowMs, () => {
      if (!attempt.open || this.#done) return;
      if (scheduler.nowMs >= attempt.lastHeardMs + this.limits.heartbeatMsMax)
        this.#timeOut(attempt, 'heartbeat');
      else this.#watch(attempt);
    });
  }

  #timeOut(attempt: ActivityAttempt, what: string): void {
    if (this.#done || attempt !== this.#current || !attempt.open) return;
    attempt.open = false;
    this.#again(`${what} time-out`);
  }

  #again(problem: string): void {
    const { scheduler } = this.#options.server;
    this.#problem = problem;
    const backoffMs = Math.min(RETRY_MS_FIRST * 2 ** (this.#attempts - 1), RETRY_MS_MAX);
    if (scheduler.nowMs + backoffMs >= this.#deadlineMs) {
      this.#end({ kind: 'unavailable', problem });
      return;
    }
    scheduler.in(scheduler.world, backoffMs, () => {
      if (!this.#done) this.#dispatch();
    });
  }

  #end(ending: AttemptEnding): void {
    if (this.#done) return;
    this.#done = true;
    if (this.#current) this.#current.open = false;
    const conflict = ending.kind === 'answered' ? ending.result.conflict : undefined;
    if (conflict) this.#options.server.onConflict(conflict);
    this.#options.ended(ending);
  }
}
