/**
 * Stands for `@temporalio/activity` in a simulation: the same errors, and a context that is looked up at the beginning of
 * an activity, before its first await. The SDK's own finds it through asynchronous hooks, which slow every promise down.
 */
export { ApplicationFailure, CancelledFailure } from '@temporalio/common';

/** What the product asks of an activity's context. */
export interface ActivityContext {
  readonly info: {
    readonly attempt: number;
    readonly heartbeatTimeoutMs: number;
    readonly workflowExecution: { readonly workflowId: string; readonly runId: string };
  };
  readonly cancellationSignal: AbortSignal;
  heartbeat(): void;
}

let current: ActivityContext | undefined;

/** Begins an activity in a context. */
export function within<T>(context: ActivityContext, begin: () => T): T {
  current = context;
  try {
    return begin();
  } finally {
    current = undefined;
  }
}

/** The SDK's way to it. */
export const Context = {
  current(): ActivityContext {
    if (!current) throw new Error('an activity asked for its context after its first await');
    return current;
  },
};
