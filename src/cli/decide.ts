/**
 * A person's decision on its way to the partition's workflow: one Update-with-start, so that it also reaches a partition
 * whose workflow has ended, repeated while a run is closing or another decision is carried out. Sending again is harmless:
 * a dismissal is carried out once, whoever asks how often.
 */
import {
  WithStartWorkflowOperation,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
  type Workflow,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../logging/reason-of.ts';
import {
  DECIDE_UPDATE,
  FAILURE,
  PARTITION_LIMITS,
  PARTITION_WORKFLOW,
  partitionSummary,
  partitionWorkflowId,
  WORKFLOW_TASK_MS,
  type DecideRequest,
  type DecideResult,
  type PartitionInput,
} from '../workflows/contract.ts';

/** Where a decision goes. */
export interface DecisionPlace {
  readonly client: Client;
  readonly taskQueue: string;
  readonly stream: string;
  readonly partition: number;
}

/** A dismissal waits until attempts under way have ended, heard or unheard: without an answer after so long, ms. */
const ANSWER_MS_MAX = 180_000;
const PAUSE_MS = 300;
/** These pass by themselves. */
const PASSING: readonly unknown[] = [FAILURE.runClosing, FAILURE.deciding];

/**
 * Sends a decision and waits for what comes of it.
 *
 * @throws Error telling what to do where nothing answers, or where the workflow refuses the request as none
 */
export async function decidePartition(place: DecisionPlace, request: DecideRequest): Promise<DecideResult> {
  const deadline = Date.now() + ANSWER_MS_MAX;
  const updateId = `decide:${randomUUID()}`;
  for (;;) {
    try {
      return await place.client.withDeadline(deadline, () => send(place, request, updateId));
    } catch (error) {
      const failure = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
      const type = failure instanceof ApplicationFailure ? failure.type : undefined;
      if (!PASSING.includes(type) || Date.now() > deadline) throw told(place, failure ?? error);
      await sleep(PAUSE_MS);
    }
  }
}

function send(
  { client, taskQueue, stream, partition }: DecisionPlace,
  request: DecideRequest,
  updateId: string,
): Promise<DecideResult> {
  // Only where the workflow has ended: one that runs keeps the limits that its ingest gave it.
  const input: PartitionInput = { stream, partition, limits: PARTITION_LIMITS };
  return client.workflow.executeUpdateWithStart<Workflow, DecideResult, [DecideRequest]>(DECIDE_UPDATE, {
    updateId,
    args: [request],
    startWorkflowOperation: new WithStartWorkflowOperation(PARTITION_WORKFLOW, {
      workflowId: partitionWorkflowId(stream, partition),
      taskQueue,
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowTaskTimeout: WORKFLOW_TASK_MS,
      args: [input],
      ...partitionSummary(stream, partition),
    }),
  });
}

function told({ stream, partition }: DecisionPlace, error: unknown): Error {
  const reason = reasonOf(error);
  if (error instanceof ApplicationFailure && error.type === FAILURE.badRequest)
    return new Error(reason, { cause: error });
  // Whoever stops waiting does not take back what the server has.
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)
    return new Error(
      `partition ${partition} of ${stream} gave no answer within ${ANSWER_MS_MAX / 1000} s: the decision may still be ` +
        `carried out, once a worker runs. "settled partition show ${partition}" and "settled quarantine list --all" tell`,
      { cause: error },
    );
  return new Error(
    `partition ${partition} of ${stream} did not take the decision (${reason}): is a worker running? "settled status" tells`,
    { cause: error },
  );
}
