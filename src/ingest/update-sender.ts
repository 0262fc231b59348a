/**
 * Sends chunks to partition workflows: one Update-with-start each, repeated under the same id until it has a result.
 * A run that is closing, a server that is away, an answer that got lost: each is an ordinary ending here, and sending
 * again is harmless since settling twice is.
 */
import {
  WithStartWorkflowOperation,
  WorkflowUpdateFailedError,
  type Client,
  type WorkflowStartOptions,
  type Workflow,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { sequenceOfRow } from '../domain/chunk.ts';
import {
  chunkUpdateId,
  FAILURE,
  PARTITION_WORKFLOW,
  partitionSummary,
  partitionWorkflowId,
  SETTLE_UPDATE,
  STATUS_QUERY,
  WORKFLOW_TASK_MS,
  type Chunk,
  type Halt,
  type PartitionInput,
  type PartitionLimits,
  type PartitionStatus,
  type SeenLease,
  type SettleResult,
} from '../workflows/contract.ts';
import { StreamStopped } from './stop.ts';

/** How sending a chunk ended. `given-up`: the sender was closed, or the stream stopped; nothing is known of the chunk. */
export type SentChunk =
  { readonly kind: 'result'; readonly result: SettleResult } | { readonly kind: 'given-up' };

/** What a sender is made of. */
export interface UpdateSenderOptions {
  readonly client: Client;
  readonly taskQueue: string;
  readonly limits: PartitionLimits;
  pause(ms: number): Promise<void>;
  /** Asked before each Update: false where nothing may be sent any more, since the lease ran out. @default always true */
  mayBeSent?(): boolean;
  /** Told of each failure that is tried again. */
  onRetry(chunk: Chunk, problem: string): void;
  /** Told of what ends the stream. */
  onStop(stopped: StreamStopped): void;
}

const RETRY_MS_FIRST = 50;
const RETRY_MS_MAX = 3_000;
/** A run that is closing takes about so long to continue as new. */
const CLOSING_MS = 150;
/** A person's decision is carried out in less, unless it has to wait for attempts that nobody hears. */
const DECIDING_MS = 500;
const HALT_POLL_MS = 2_000;
const DOUBT_POLL_MS = 5_000;

/** An Update that has no result after so long is asked after at its workflow, ms. */
const ASK_MS = 10_000;
/** A workflow that does not know of it is asked once more: its result may be on its way, ms. */
const ASK_AGAIN_MS = 2_000;
const STATUS_MS_MAX = 5_000;

/** Sends to the workflows of one stream. */
export class UpdateSender {
  readonly #options: UpdateSenderOptions;
  #closed = false;
  /**
   * Part of each Update's id, since a run answers a known id from its history: a database that lost its newest rows gives
   * the same lease out again, and the same chunk sent under it is another, which nobody has settled in what is there now.
   */
  readonly #opened = Date.now().toString(36);
  /** Partitions that know the limits of this ingest. */
  readonly #told = new Set<number>();

  constructor(options: UpdateSenderOptions) {
    this.#options = options;
  }

  /** Gives up at the next failure. */
  close(): void {
    this.#closed = true;
  }

  /** Sends a chunk until it has a result. */
  async send(chunk: Chunk): Promise<SentChunk> {
    const id = `${chunkUpdateId(chunk)}:${this.#opened}`;
    let forgotten = 0;
    for (let delayMs = RETRY_MS_FIRST; !this.#closed; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      if (!(this.#options.mayBeSent?.() ?? true)) break;
      try {
        const result = await this.#execute(chunk, forgotten === 0 ? id : `${id}:again${forgotten}`);
        this.#told.add(chunk.partition);
        return { kind: 'result', result };
      } catch (error) {
        const failure = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
        if (failure instanceof ApplicationFailure) {
          if (failure.type === FAILURE.halted)
            return { kind: 'result', result: failure.details?.[0] as SettleResult };
          if (failure.type === FAILURE.staleLease || failure.type === FAILURE.badChunk) {
            this.#closed = true;
            this.#options.onStop(stopOf(chunk, failure));
            return { kind: 'given-up' };
          }
          if (failure.type === FAILURE.internalFault)
            // The same id would get the same failure: the lane sends the events again under another.
            return { kind: 'result', result: unavailable(chunk, failure.message) };
          if (failure.type === FAILURE.runClosing || failure.type === FAILURE.deciding) {
            await this.#options.pause(failure.type === FAILURE.deciding ? DECIDING_MS : CLOSING_MS);
            continue;
          }
        }
        this.#options.onRetry(chunk, problemOf(failure ?? error));
        if (error instanceof ForgottenUpdate) forgotten += 1;
        else await this.#options.pause(delayMs);
      }
    }
    return { kind: 'given-up' };
  }

  /**
   * One Update, until it has a result.
   *
   * @throws ForgottenUpdate where Temporal keeps its sender waiting for what its workflow does not know of
   */
  async #execute(chunk: Chunk, updateId: string): Promise<SettleResult> {
    const { client, limits } = this.#options;
    const over = new AbortController();
    try {
      return await Promise.race([
        client.withAbortSignal(over.signal, () =>
          client.workflow.executeUpdateWithStart<Workflow, SettleResult, [Chunk]>(SETTLE_UPDATE, {
            updateId,
            args: [this.#told.has(chunk.partition) ? chunk : { ...chunk, limits }],
            startWorkflowOperation: new WithStartWorkflowOperation(
              PARTITION_WORKFLOW,
              this.#startOptions(chunk),
            ),
          }),
        ),
        this.#untilForgotten(chunk, over.signal),
      ]);
    } finally {
      over.abort();
    }
  }

  /**
   * Rejects when the workflow, asked twice, did not know of the Update. Nothing else bounds the wait: the SDK asks for ever for
   * the result of an Update that the server said it has taken. Sending the same events again is harmless.
   */
  async #untilForgotten(chunk: Chunk, signal: AbortSignal): Promise<never> {
    const id = chunkUpdateId(chunk);
    for (let missed = 0; missed < 2;) {
      await sleep(missed === 0 ? ASK_MS : ASK_AGAIN_MS, undefined, { signal, ref: false });
      const underWay = await this.#underWay(chunk);
      missed = !underWay || underWay.includes(id) ? 0 : missed + 1;
    }
    throw new ForgottenUpdate(
      `Temporal took the Update ${id}, but its workflow does not know of it: it is sent under another id`,
    );
  }

  /** What a partition says that it is at; undefined where it does not say. */
  async #underWay({ stream, partition }: Chunk): Promise<readonly string[] | undefined> {
    try {
      const status = await this.#status(stream, partition);
      // One that was never started knows of nothing.
      return status ? status.underWay : [];
    } catch {
      // A worker or server that is away has forgotten nothing.
      return undefined;
    }
  }

  async #status(stream: string, partition: number): Promise<PartitionStatus | undefined> {
    return partitionStatus(this.#options.client, stream, partition, STATUS_MS_MAX);
  }

  /** Resolves when it is worth sending to a halted partition again: a person resumed it, or doubt may have passed. */
  async untilResumed(stream: string, partition: number, halt: Halt): Promise<void> {
    if (halt.conflict.reason === 'doubt') {
      await this.#options.pause(DOUBT_POLL_MS);
      return;
    }
    while (!this.#closed) {
      await this.#options.pause(HALT_POLL_MS);
      try {
        if (!(await this.#status(stream, partition))?.halt) return;
      } catch {
        // A worker or server that is away does not resume a partition.
      }
    }
  }

  #startOptions(
    chunk: Chunk,
  ): WorkflowStartOptions & { workflowIdConflictPolicy: 'USE_EXISTING'; args: [PartitionInput] } {
    const { stream, partition } = chunk;
    return {
      workflowId: partitionWorkflowId(stream, partition),
      taskQueue: this.#options.taskQueue,
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowTaskTimeout: WORKFLOW_TASK_MS,
      args: [{ stream, partition, limits: this.#options.limits }],
      ...partitionSummary(stream, partition),
    };
  }
}

/** An Update that nobody will ever answer. */
class ForgottenUpdate extends Error {
  override readonly name = 'ForgottenUpdate';
}

/**
 * Asks a partition's workflow for its state; undefined where it was never started.
 *
 * @param msMax when to give up, ms
 */
export async function partitionStatus(
  client: Client,
  stream: string,
  partition: number,
  msMax: number,
): Promise<PartitionStatus | undefined> {
  const handle = client.workflow.getHandle(partitionWorkflowId(stream, partition));
  const query = (): Promise<PartitionStatus> => handle.query<PartitionStatus>(STATUS_QUERY);
  try {
    return await client.withDeadline(Date.now() + msMax, query);
  } catch (error) {
    if (error instanceof Error && error.name === 'WorkflowNotFoundError') return undefined;
    throw error;
  }
}

function unavailable(chunk: Chunk, problem: string): SettleResult {
  const rows = [...chunk.trades.rows, ...chunk.ledgerEvents.rows];
  return {
    outcome: 'unavailable',
    settled: 0,
    remaining: rows.map(sequenceOfRow),
    waiting: [],
    attempts: 0,
    problem,
  };
}

function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return `${error.message}${cause}`;
}

function stopOf(chunk: Chunk, failure: ApplicationFailure): StreamStopped {
  return new StreamStopped(
    failure.type === FAILURE.staleLease
      ? {
          reason: 'lease-lost',
          sequence: chunk.first,
          ...heardBy(failure),
          message: `another ingest has taken the stream over: ${failure.message}. Run one ingest a stream`,
        }
      : {
          reason: 'bad-chunk',
          sequence: chunk.first,
          message: `the workflow refused the chunk: ${failure.message}. Run ingest and workers of one version`,
        },
  );
}

/** The higher lease, as a workflow that refuses ours tells it; one of an older version does not. */
function heardBy({ details }: ApplicationFailure): { readonly heard?: string } {
  const { lease } = (details?.[0] ?? {}) as Partial<SeenLease>;
  return typeof lease === 'string' && /^\d{1,19}$/.test(lease) ? { heard: lease } : {};
}
