/**
 * A worker of partitions: Temporal's Worker with the sizes that the design asks for. Activity slots are at least twice
 * partitions × updates in flight, since attempts that timed out still hold one, so that an event that others wait for
 * never lacks a slot; a start that would break this is refused.
 */
import { Worker } from '@temporalio/worker';
import type { NativeConnection, WorkerOptions, WorkflowBundle } from '@temporalio/worker';
import type { SettleActivities } from '../workflows/contract.ts';
import { workflowBundle } from './workflow-bundle.ts';

/** Activity slots for each Update in flight: its attempt, and one that timed out and still runs. */
const SLOTS_PER_UPDATE = 2;
/** Workflows kept in memory for each partition: its run, the one before, the audit's, and room. */
const CACHED_WORKFLOWS_PER_PARTITION = 4;
/** A killed worker's workflow tasks wait so long for it before another takes them, ms. */
const STICKY_SCHEDULE_TO_START_MS = 2_000;
/** Longest time between a heartbeat's call and its sending, ms; the SDK's own is 0.8 × the time-out, too near to it. */
const HEARTBEAT_THROTTLE_MS = 1_000;

/** What a worker of partitions is made of. */
export interface PartitionWorkerOptions {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly taskQueue: string;
  /** The settle activity, and whatever else is served on this task queue. */
  readonly activities: SettleActivities & object;
  /** Partitions of all streams that this task queue serves. */
  readonly partitions: number;
  /** Updates that the ingest has in flight on one partition at most. */
  readonly updatesInFlight: number;
  /** Activity slots. Default: as few as the design allows, and 8 more. */
  readonly maxConcurrentActivities?: number | undefined;
  /** Default: bundled now. */
  readonly workflowBundle?: WorkflowBundle | undefined;
  /** Time for attempts under way to end at a shutdown, ms. */
  readonly shutdownGraceMs?: number | undefined;
  readonly identity?: string | undefined;
}

/**
 * Makes a worker; `run()` it, `shutdown()` it.
 *
 * @throws RangeError if there would be fewer activity slots than twice partitions × updates in flight
 */
export async function createPartitionWorker(options: PartitionWorkerOptions): Promise<Worker> {
  return Worker.create(await partitionWorkerOptions(options));
}

/** The SDK's options for {@link createPartitionWorker}. */
export async function partitionWorkerOptions(options: PartitionWorkerOptions): Promise<WorkerOptions> {
  const { partitions, updatesInFlight } = options;
  const slotsMin = SLOTS_PER_UPDATE * partitions * updatesInFlight;
  const slots = options.maxConcurrentActivities ?? slotsMin + 8;
  if (slots < slotsMin)
    throw new RangeError(
      `${slots} activity slots are too few: ${partitions} partitions with ${updatesInFlight} updates in flight each need ` +
        `${slotsMin} (twice their product), or events that others wait for may lack one`,
    );
  const workflowTasks = Math.max(16, 2 * partitions);
  return {
    connection: options.connection,
    namespace: options.namespace,
    taskQueue: options.taskQueue,
    ...(options.identity !== undefined && { identity: options.identity }),
    activities: options.activities,
    workflowBundle: options.workflowBundle ?? (await workflowBundle()),
    reuseV8Context: true,
    maxCachedWorkflows: Math.max(16, CACHED_WORKFLOWS_PER_PARTITION * partitions),
    maxConcurrentWorkflowTaskExecutions: workflowTasks,
    maxConcurrentWorkflowTaskPolls: Math.min(workflowTasks, Math.max(4, partitions)),
    maxConcurrentActivityTaskExecutions: slots,
    maxConcurrentActivityTaskPolls: Math.min(slots, Math.max(4, partitions)),
    stickyQueueScheduleToStartTimeout: STICKY_SCHEDULE_TO_START_MS,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    shutdownGraceTime: options.shutdownGraceMs ?? 5_000,
  };
}
