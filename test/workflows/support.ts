/**
 * A partition under test: the real server, a real worker with the real activity, and a settler whose answers the test
 * gives. Each test has its own stream and task queue, so that runs side by side do not meet.
 */
import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  makeGrpcRetryInterceptor,
  WithStartWorkflowOperation,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';
import proto from '@temporalio/proto';
import type { temporal } from '@temporalio/proto';
import {
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  Worker,
} from '@temporalio/worker';
import type { WorkflowBundle } from '@temporalio/worker';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { inject } from 'vitest';
import { createSettleActivities } from '../../src/activities/settle.ts';
import { createPartitionWorker } from '../../src/cli/worker-host.ts';
import { workflowBundle } from '../../src/cli/workflow-bundle.ts';
import type { SettlementEvent } from '../../src/domain/event.ts';
import { LEDGER_COLUMNS, rowOf, TRADE_COLUMNS } from '../../src/domain/chunk.ts';
import type { EventOutcome, SettlerPort, SettleRequest } from '../../src/settlement/settle-request.ts';
import {
  chunkUpdateId,
  DECIDE_UPDATE,
  FAILURE,
  PARTITION_WORKFLOW,
  partitionSummary,
  partitionWorkflowId,
  RESUME_UPDATE,
  SETTLE_UPDATE,
  STATUS_QUERY,
  WORKFLOW_TASK_MS,
} from '../../src/workflows/contract.ts';
import type {
  Chunk,
  ConflictReport,
  DecideActivities,
  DecideEnding,
  DecideOrder,
  DecideResult,
  DecisionKind,
  PartitionInput,
  PartitionLimits,
  PartitionStatus,
  ResumeResult,
  SettleResult,
} from '../../src/workflows/contract.ts';

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;
export type History = temporal.api.history.v1.IHistory;

// A failed or lost attempt is what many tests are about; only what nobody expects is worth a line.
Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR' }) } },
});

/** Small waits, so that a test takes parts of a second. */
export const QUICK: PartitionLimits = {
  attemptsMax: 6,
  updateMsMax: 5_000,
  waitMsFirst: 20,
  waitMsMax: 80,
  activityMsMax: 3_000,
  heartbeatMsMax: 1_000,
  updatesPerRunMax: 1_500,
  historyEventsMax: 12_000,
};

/** host:port of the Temporal under test. */
export function temporalAddress(): string {
  const override = process.env['SETTLED_TEST_TEMPORAL'];
  return override ?? inject('stack').temporalAddress;
}

/** What a test's settler answers. Called once for each attempt, with its number over all chunks, from 1. */
export type Script = (request: SettleRequest, call: number) => EventOutcome[] | Promise<EventOutcome[]>;

/** A settler that answers by script, and remembers what it was asked. */
export class ScriptedSettler implements SettlerPort {
  readonly requests: SettleRequest[] = [];
  script: Script;

  constructor(script: Script = (request) => all(request, SETTLED)) {
    this.script = script;
  }

  async settle(request: SettleRequest): Promise<EventOutcome[]> {
    this.requests.push(request);
    return this.script(request, this.requests.length);
  }
}

export const SETTLED: EventOutcome = { kind: 'settled', duplicate: false };

/** The same answer for each event. */
export function all(request: SettleRequest, outcome: EventOutcome): EventOutcome[] {
  return request.events.map(() => outcome);
}

/** Settled up to, and not with, a sequence; from there on the given answer. */
export function settledBelow(
  request: SettleRequest,
  sequence: bigint,
  outcome: EventOutcome,
): EventOutcome[] {
  return request.events.map(({ event }) => (event.sequence < sequence ? SETTLED : outcome));
}

/** Behind: balance 1001/2 should be at a version and is one lower. */
export function behind(expected = 31n): EventOutcome {
  return { kind: 'behind', waiting: [{ userId: 1001n, assetId: 2, expected, found: expected - 1n }] };
}

/** A conflict of the given reason on balance 1001/2. */
export function conflict(reason: ConflictReport['reason']): EventOutcome {
  return { kind: 'conflict', reason, balance: { userId: 1001n, assetId: 2, expected: 31n, found: 33n } };
}

/** In doubt about balance 1001/2 since a moment. */
export function doubt(sinceMs: number): EventOutcome {
  return { kind: 'doubt', sinceMs, balance: { userId: 1001n, assetId: 2, expected: 31n, found: 32n } };
}

/** The n-th deposit of a stream. */
export function deposit(sequence: number): SettlementEvent {
  return {
    kind: 'deposit',
    sequence: BigInt(sequence),
    timeMs: 1_700_000_000_000 + sequence,
    stamped: false,
    userId: 1001n,
    sequenceId: BigInt(sequence),
    amount: 5n,
    currency: 2,
    relatedId: 0n,
    version: BigInt(sequence - 1),
    versionStated: true,
  };
}

/** A chunk of deposits. */
export function chunkOf(stream: string, first: number, last: number, more: Partial<Chunk> = {}): Chunk {
  const rows = Array.from({ length: last - first + 1 }, (_, index) =>
    rowOf({ event: deposit(first + index), predecessors: [] }),
  );
  return {
    stream,
    partition: 0,
    lease: '1',
    first: `${first}`,
    last: `${last}`,
    try: 1,
    trades: { columns: TRADE_COLUMNS, rows: [] },
    ledgerEvents: { columns: LEDGER_COLUMNS, rows },
    ...more,
  };
}

/** What a started partition offers to a test. */
export class PartitionUnderTest {
  readonly stream = `t-${randomUUID().slice(0, 13)}`;
  readonly taskQueue = this.stream;
  readonly workflowId = partitionWorkflowId(this.stream, 0);
  readonly quarantined: { conflict: ConflictReport; event: SettlementEvent }[] = [];
  readonly client: Client;
  readonly native: NativeConnection;
  readonly settler: ScriptedSettler;
  readonly limits: PartitionLimits;
  #worker: Worker | undefined;
  #leaving = new AbortController();
  #running: Promise<void> | undefined;

  constructor(
    client: Client,
    native: NativeConnection,
    settler: ScriptedSettler,
    limits: Partial<PartitionLimits>,
  ) {
    this.client = client;
    this.native = native;
    this.settler = settler;
    this.limits = { ...QUICK, ...limits };
  }

  /** How the activity that carries decisions out ends: the database's part is tested elsewhere. */
  decideEnding: 'done' | 'never' | 'refused' | 'refused-late' = 'done';
  readonly orders: DecideOrder[] = [];

  get activities(): ReturnType<typeof createSettleActivities> & DecideActivities {
    return { ...this.#settling, decide: (order) => this.#carryOut(order) };
  }

  async #carryOut(order: DecideOrder): Promise<DecideEnding> {
    this.orders.push(order);
    if (this.decideEnding === 'never') throw new Error('the database is away');
    if (this.decideEnding !== 'done')
      return {
        kind: 'refused',
        reason: 'behind',
        message: 'an earlier event may still come',
        ...(this.decideEnding === 'refused-late' && { retried: true }),
      };
    return { kind: 'done', balances: [] };
  }

  get #settling(): ReturnType<typeof createSettleActivities> {
    return createSettleActivities({
      settler: this.settler,
      attemptMs: 1_000,
      leave: this.#leaving.signal,
      quarantine: async (_stream, report, event) => {
        this.quarantined.push({ conflict: report, event });
      },
    });
  }

  async startWorker(): Promise<void> {
    this.#leaving = new AbortController();
    this.#worker = await createPartitionWorker({
      connection: this.native,
      namespace: 'default',
      taskQueue: this.taskQueue,
      activities: this.activities,
      partitions: 4,
      updatesInFlight: 4,
      workflowBundle: await bundle(),
      shutdownGraceMs: 200,
    });
    this.#running = this.#worker.run();
  }

  async stopWorker(): Promise<void> {
    this.#leaving.abort();
    if (this.#worker?.getState() === 'RUNNING') this.#worker.shutdown();
    await this.#running;
    this.#worker = undefined;
  }

  /** Ends everything; the workflow would otherwise stand open on a server that others use. */
  async stop(): Promise<void> {
    await this.stopWorker();
    await this.handle.terminate('the test is over').catch(() => {});
  }

  get handle() {
    return this.client.workflow.getHandle(this.workflowId);
  }

  chunk(first: number, last: number, more: Partial<Chunk> = {}): Chunk {
    return chunkOf(this.stream, first, last, more);
  }

  /** One Update-with-start, as the ingest sends it. */
  async send(chunk: Chunk): Promise<SettleResult> {
    const input: PartitionInput = { stream: this.stream, partition: 0, limits: this.limits };
    return this.client.workflow.executeUpdateWithStart(SETTLE_UPDATE, {
      args: [chunk],
      updateId: chunkUpdateId(chunk),
      startWorkflowOperation: new WithStartWorkflowOperation(PARTITION_WORKFLOW, {
        workflowId: this.workflowId,
        taskQueue: this.taskQueue,
        args: [input],
        workflowIdConflictPolicy: 'USE_EXISTING',
        workflowTaskTimeout: WORKFLOW_TASK_MS,
        ...partitionSummary(this.stream, 0),
      }),
    });
  }

  /** Sends until there is a result, as the ingest does when a run closes. */
  async sendUntilAnswered(chunk: Chunk): Promise<SettleResult> {
    for (;;) {
      try {
        return await this.send(chunk);
      } catch (error) {
        if (failureType(error) !== FAILURE.runClosing) throw error;
        await delay(100);
      }
    }
  }

  async resume(): Promise<ResumeResult> {
    return this.handle.executeUpdate(RESUME_UPDATE, { args: [{ who: 'ann', why: 'looked at it' }] });
  }

  async decide(decision: DecisionKind, sequence?: string): Promise<DecideResult> {
    return this.handle.executeUpdate(DECIDE_UPDATE, {
      args: [{ decision, ...(sequence && { sequence }), who: 'ann', why: 'looked at it' }],
    });
  }

  async status(): Promise<PartitionStatus> {
    return this.handle.query<PartitionStatus>(STATUS_QUERY);
  }

  /** The current details, as the UI shows them. */
  async details(): Promise<string | undefined> {
    const metadata = await this.handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
    return metadata.currentDetails;
  }

  async history(runId?: string): Promise<History> {
    return this.client.workflow.getHandle(this.workflowId, runId).fetchHistory();
  }

  /** The run ids of the partition, oldest first. */
  async runs(): Promise<string[]> {
    const runs: string[] = [];
    let runId: string | undefined = (await this.handle.describe()).runId;
    while (runId) {
      runs.unshift(runId);
      const history: History = await this.history(runId);
      runId =
        history.events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId || undefined;
    }
    return runs;
  }
}

let bundling: Promise<WorkflowBundle> | undefined;

/** The workflows' bundle, made once in a test file. */
export async function bundle(): Promise<WorkflowBundle> {
  return (bundling ??= workflowBundle());
}

// An Update that meets the moment of continue-as-new is told RESOURCE_EXHAUSTED, which the client by default repeats
// after 1.7 s only; the run behind it is there within milliseconds.
const quickRetry = defaultGrpcRetryOptions({ initialIntervalMs: () => 50 });

let connecting: Promise<{ client: Client; native: NativeConnection }> | undefined;

async function connected(): Promise<{ client: Client; native: NativeConnection }> {
  return (connecting ??= (async () => {
    const address = temporalAddress();
    const [connection, native] = await Promise.all([
      Connection.connect({ address, interceptors: [makeGrpcRetryInterceptor(quickRetry)] }),
      NativeConnection.connect({ address }),
    ]);
    return { client: new Client({ connection }), native };
  })());
}

/** A partition with a worker that serves it. */
export async function startPartition(
  script?: Script,
  limits: Partial<PartitionLimits> = {},
): Promise<PartitionUnderTest> {
  const partition = await preparePartition(script, limits);
  await partition.startWorker();
  return partition;
}

/** A partition that no worker serves yet. */
export async function preparePartition(
  script?: Script,
  limits: Partial<PartitionLimits> = {},
): Promise<PartitionUnderTest> {
  const { client, native } = await connected();
  return new PartitionUnderTest(client, native, new ScriptedSettler(script), limits);
}

/** The `type` of the ApplicationFailure in an Update's failure. */
export function failureType(error: unknown): string | undefined {
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
  return cause instanceof ApplicationFailure ? (cause.type ?? undefined) : undefined;
}

/** The failure of a promise that must fail. */
export async function failureOf(promise: Promise<unknown>): Promise<ApplicationFailure> {
  const error: unknown = await promise.then(
    (value) => new Error(`it did not fail: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : error;
  if (cause instanceof ApplicationFailure) return cause;
  throw error;
}

/** "TimerStarted", "ActivityTaskScheduled" …: a history's events by name. */
export function eventNames(history: History): string[] {
  return (history.events ?? []).map((event) => {
    const name = proto.temporal.api.enums.v1.EventType[event.eventType ?? 0] ?? '';
    return name
      .replace('EVENT_TYPE_', '')
      .split('_')
      .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
      .join('');
  });
}

/** Summaries of a history's timers or activities, in order. */
export function summaries(history: History, kind: 'timer' | 'activity'): string[] {
  const isIt = (event: HistoryEvent): boolean =>
    kind === 'timer'
      ? event.timerStartedEventAttributes != null
      : event.activityTaskScheduledEventAttributes != null;
  return (history.events ?? []).filter(isIt).map((event) => {
    const payload = event.userMetadata?.summary;
    return payload ? defaultPayloadConverter.fromPayload<string>(payload) : '';
  });
}

/** What a history's activities answered, in order. */
export function activityResults<T>(history: History): T[] {
  return (history.events ?? []).flatMap((event) => {
    const payload = event.activityTaskCompletedEventAttributes?.result?.payloads?.[0];
    return payload ? [defaultPayloadConverter.fromPayload<T>(payload)] : [];
  });
}

/**
 * Fails unless the workflow's code of today reproduces the history. A run that has just continued another, and that no
 * worker has been given yet, has nothing to reproduce: the SDK would wait for its first task without an end.
 */
export async function replay(history: History, workflowId: string): Promise<void> {
  if (!eventNames(history).includes('WorkflowTaskStarted')) return;
  await Worker.runReplayHistory({ workflowBundle: await bundle() }, history, workflowId);
}
