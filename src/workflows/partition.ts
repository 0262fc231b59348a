/**
 * The workflow of one partition: the logic of partition-logic.ts on Temporal's time, timers and activities (I9). It
 * runs for ever, in runs: before any limit of the server is near it continues as new, never with an Update unfinished.
 * Whatever goes wrong becomes an ApplicationFailure, since any other exception would retry a workflow task for ever.
 */
import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  defineUpdate,
  DeterminismViolationError,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  TemporalFailure,
  workflowInfo,
} from '@temporalio/workflow';
import {
  DECIDE_ACTIVITY,
  DECIDE_UPDATE,
  FAILURE,
  PARTITION_LIMITS,
  RESUME_UPDATE,
  SETTLE_ACTIVITY,
  SETTLE_UPDATE,
  STATUS_QUERY,
} from './contract.ts';
import type {
  Chunk,
  DecideActivities,
  DecideRequest,
  DecideResult,
  PartitionInput,
  PartitionLimits,
  PartitionStatus,
  ResumeRequest,
  ResumeResult,
  SettleActivities,
  SettleResult,
} from './contract.ts';
import { Partition } from './partition-logic.ts';
import { Refused } from './partition-runtime.ts';
import type { AttemptEnding, PartitionRuntime } from './partition-runtime.ts';

/** The `settle` Update. */
export const settleUpdate = defineUpdate<SettleResult, [Chunk]>(SETTLE_UPDATE);
/** The `resume` Update. */
export const resumeUpdate = defineUpdate<ResumeResult, [ResumeRequest]>(RESUME_UPDATE);
/** The `decide` Update. */
export const decideUpdate = defineUpdate<DecideResult, [DecideRequest]>(DECIDE_UPDATE);
/** The `status` query. */
export const statusQuery = defineQuery<PartitionStatus>(STATUS_QUERY);

/**
 * Between the last Update's completion and continue-as-new, ms: they must not share a workflow task, or the completion
 * may get lost (server issue 6375).
 */
const CLOSING_PAUSE_MS = 50;

/** Messages of an activity's failure that a problem's text holds: the innermost causes. */
const PROBLEM_MESSAGES_MAX = 4;

/** Settles the chunks of one partition until it is cancelled. */
export async function partition(input: PartitionInput): Promise<void> {
  const { logic, runtime } = prepared(input);

  setHandler(settleUpdate, (chunk) => carriedOut(() => logic.settle(chunk)), {
    validator: (chunk) => refuse(logic.refusalOf(chunk)),
    description: 'Settles a chunk of consecutive events.',
  });
  setHandler(resumeUpdate, (request) => carriedOut(() => Promise.resolve(logic.resume(request))), {
    validator: (request) => refuse(logic.refusalOfResume(request)),
    description: 'Lets a halted partition try again.',
  });
  setHandler(decideUpdate, (request) => carriedOut(() => logic.decide(request)), {
    validator: (request) => refuse(logic.refusalOfDecision(request)),
    description:
      'Carries out a decision of a person about an event that conflicts: resume, retry or dismiss.',
  });
  setHandler(statusQuery, () => logic.status(), { description: 'What is settled, what waits, what halts.' });

  let cancellation: unknown;
  try {
    await condition(() => logic.isFull(workflowInfo()));
  } catch (error) {
    if (!isCancellation(error)) throw error;
    cancellation = error;
  }
  // A cancelled partition, too, ends only when each of its Updates has its answer.
  await CancellationScope.nonCancellable(async () => {
    logic.close();
    await condition(allHandlersFinished);
    await runtime.sleep(CLOSING_PAUSE_MS, 'before continuing as new', () => false);
  });
  if (cancellation) throw cancellation;
  await continueAsNew<typeof partition>(logic.next());
}

function prepared(input: PartitionInput): { logic: Partition; runtime: PartitionRuntime } {
  if (typeof input?.stream !== 'string' || !Number.isSafeInteger(input.partition))
    throw ApplicationFailure.nonRetryable(
      'the input of a partition is a stream and a number',
      FAILURE.badRequest,
    );
  try {
    // A limit that an older version did not know has its default.
    const limits: PartitionLimits = { ...PARTITION_LIMITS, ...input.limits };
    const runtime = temporalRuntime(limits);
    return { logic: new Partition({ ...input, limits }, runtime), runtime };
  } catch (error) {
    throw ApplicationFailure.nonRetryable(
      `the input of a partition is faulty: ${String(error)}`,
      FAILURE.badRequest,
    );
  }
}

function temporalRuntime(limits: PartitionLimits): PartitionRuntime {
  return {
    now: () => Date.now(),
    sleep: async (ms, summary, wake) => {
      await condition(wake, ms, { summary });
    },
    settle: async (attempt, summary, budgetMs): Promise<AttemptEnding> => {
      const activities = proxyActivities<SettleActivities>({
        startToCloseTimeout: limits.activityMsMax,
        heartbeatTimeout: limits.heartbeatMsMax,
        scheduleToCloseTimeout: budgetMs,
        retry: {
          initialInterval: 200,
          backoffCoefficient: 2,
          maximumInterval: 2_000,
          nonRetryableErrorTypes: [FAILURE.badChunk],
        },
        summary,
      });
      try {
        return { kind: 'answered', result: await activities[SETTLE_ACTIVITY](attempt) };
      } catch (error) {
        return endingOf(error);
      }
    },
    decide: async (order, summary, budgetMs) => {
      const activities = proxyActivities<DecideActivities>({
        startToCloseTimeout: limits.activityMsMax,
        heartbeatTimeout: limits.heartbeatMsMax,
        scheduleToCloseTimeout: budgetMs,
        retry: { initialInterval: 200, backoffCoefficient: 2, maximumInterval: 2_000 },
        summary,
      });
      try {
        return await activities[DECIDE_ACTIVITY](order);
      } catch (error) {
        return { kind: 'unknown', problem: problemOf(error) };
      }
    },
    setDetails: setCurrentDetails,
  };
}

/** What an activity's failure means for the partition. */
function endingOf(error: unknown): AttemptEnding {
  if (!(error instanceof TemporalFailure)) throw error;
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure && cause.type === FAILURE.badChunk)
    return { kind: 'bad-chunk', problem: cause.message };
  return { kind: 'unavailable', problem: problemOf(error) };
}

/** The innermost causes of an activity's failure, in words. Whatever else was thrown is thrown on. */
function problemOf(error: unknown): string {
  if (!(error instanceof TemporalFailure)) throw error;
  // The failure as the server sent it: the SDK leaves the last error of the storage out of a time-out's cause.
  const messages: string[] = [];
  for (let at = error.failure; at; at = at.cause ?? undefined) if (at.message) messages.push(at.message);
  return messages.slice(-PROBLEM_MESSAGES_MAX).join(': ') || error.message;
}

function refuse(refusal: Refused | undefined): void {
  if (refusal) throw failureOf(refusal);
}

/** Runs a handler, out of reach of the workflow's cancellation, with failures that end the Update alone. */
async function carriedOut<T>(handler: () => Promise<T>): Promise<T> {
  try {
    return await CancellationScope.nonCancellable(handler);
  } catch (error) {
    if (error instanceof Refused) throw failureOf(error);
    if (error instanceof TemporalFailure || error instanceof DeterminismViolationError) throw error;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw ApplicationFailure.nonRetryable(
      `fault in the partition's workflow: ${text}`,
      FAILURE.internalFault,
    );
  }
}

function failureOf({ type, message, detail }: Refused): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, type, ...(detail ? [detail] : []));
}
