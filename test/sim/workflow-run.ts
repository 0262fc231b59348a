/**
 * One partition's workflow as Temporal runs it: the product's `Partition` on virtual time. Its state survives workers,
 * since a history does; each step needs a worker to take it. Updates are known by their ids within a run; before a limit
 * is reached it continues as new, never with an Update unfinished. What partition.ts does with the SDK, this does here.
 */
import {
  FAILURE,
  type Chunk,
  type PartitionInput,
  type PartitionStatus,
  type ResumeRequest,
  type ResumeResult,
  type SettleAttempt,
  type SettleResult,
} from '../../src/workflows/contract.ts';
import { Partition } from '../../src/workflows/partition-logic.ts';
import { Refused, type AttemptEnding, type PartitionRuntime } from '../../src/workflows/partition-runtime.ts';
import { Activity } from './activity.ts';
import type { TemporalServer } from './temporal.ts';

/** How an Update ended. */
export type UpdateEnding =
  | { readonly kind: 'result'; readonly result: SettleResult }
  | { readonly kind: 'refused'; readonly refusal: Refused };

export type Respond = (ending: UpdateEnding) => void;

/** partition.ts: between the last Update's completion and continue-as-new, ms. */
const CLOSING_PAUSE_MS = 50;
/** About what an Update, and each attempt, adds to a history. */
const UPDATE_EVENTS = 6;
const ATTEMPT_EVENTS = 8;

interface UpdateState {
  ending: UpdateEnding | undefined;
  readonly waiting: Respond[];
}

interface Waiter {
  wake(): boolean;
  resolve(): void;
}

/** One run of a partition's workflow. */
export class WorkflowRun {
  readonly id: string;
  readonly runId: string;
  readonly #server: TemporalServer;
  readonly #logic: Partition;
  readonly #limits: PartitionInput['limits'];
  readonly #updates = new Map<string, UpdateState>();
  readonly #waiters = new Set<Waiter>();
  #unfinished = 0;
  #historyEvents = 3;
  #closing = false;
  #ended = false;

  constructor(server: TemporalServer, id: string, runId: string, input: PartitionInput) {
    this.#server = server;
    this.id = id;
    this.runId = runId;
    this.#limits = input.limits;
    this.#logic = new Partition(input, this.#runtime());
  }

  status(): PartitionStatus {
    return this.#logic.status();
  }

  resume(request: ResumeRequest): ResumeResult {
    const result = this.#logic.resume(request);
    this.#check();
    return result;
  }

  /** An Update has reached the server. */
  update(chunk: Chunk, updateId: string, respond: Respond): void {
    if (this.#attach(updateId, respond)) return;
    this.#server.whenWorker(() => {
      if (this.#ended) this.#server.update(this.id, chunk, updateId, respond);
      else if (!this.#attach(updateId, respond)) this.#admit(chunk, updateId, respond);
    });
  }

  #attach(updateId: string, respond: Respond): boolean {
    const known = this.#updates.get(updateId);
    if (!known) return false;
    if (known.ending) respond(known.ending);
    else known.waiting.push(respond);
    return true;
  }

  #admit(chunk: Chunk, updateId: string, respond: Respond): void {
    const refusal = this.#logic.refusalOf(chunk);
    if (refusal) {
      respond({ kind: 'refused', refusal });
      return;
    }
    const state: UpdateState = { ending: undefined, waiting: [respond] };
    this.#updates.set(updateId, state);
    this.#unfinished += 1;
    this.#historyEvents += UPDATE_EVENTS;
    void this.#settle(chunk, state);
    this.#check();
  }

  async #settle(chunk: Chunk, state: UpdateState): Promise<void> {
    let ending: UpdateEnding;
    try {
      ending = { kind: 'result', result: await this.#logic.settle(chunk) };
    } catch (error) {
      const refusal = error instanceof Refused ? error : new Refused(FAILURE.internalFault, String(error));
      ending = { kind: 'refused', refusal };
      if (refusal.type === FAILURE.internalFault) this.#server.onFault(error);
    }
    state.ending = ending;
    this.#unfinished -= 1;
    for (const respond of state.waiting) respond(ending);
    this.#check();
  }

  /** After each step: wakes who waits for it, and continues as new where it is time. */
  #check(): void {
    const length = { historyLength: this.#historyEvents, historySize: 0, continueAsNewSuggested: false };
    if (!this.#closing && this.#logic.isFull(length)) {
      this.#closing = true;
      this.#logic.close();
    }
    for (const waiter of this.#waiters) if (waiter.wake()) waiter.resolve();
    if (!this.#closing || this.#unfinished > 0 || this.#ended) return;
    this.#ended = true;
    const { scheduler } = this.#server;
    scheduler.in(scheduler.world, CLOSING_PAUSE_MS, () => {
      this.#server.continueAsNew(this.id, this.#logic.next());
    });
  }

  /** Every Update ends within a bounded number of attempts: else others wait behind it for good (I6). */
  #checkBound({ chunk, attempt }: SettleAttempt): void {
    const { attemptsMax } = this.#limits;
    if (attempt <= attemptsMax) return;
    const text = `attempt ${attempt} at chunk ${chunk.first}-${chunk.last}; an Update makes ${attemptsMax}`;
    this.#server.onFault(new Error(text));
  }

  #runtime(): PartitionRuntime {
    const { scheduler } = this.#server;
    return {
      now: () => Math.floor(scheduler.nowMs),
      sleep: (ms, _summary, wake) =>
        new Promise((resolve) => {
          const waiter = {
            wake,
            resolve: () => {
              this.#waiters.delete(waiter);
              resolve();
            },
          };
          this.#waiters.add(waiter);
          scheduler.in(scheduler.world, ms, () => {
            this.#server.whenWorker(() => {
              waiter.resolve();
            });
          });
        }),
      settle: (request, _summary, budgetMs) =>
        new Promise<AttemptEnding>((resolve) => {
          this.#historyEvents += ATTEMPT_EVENTS;
          this.#checkBound(request);
          // The activity's answer is taken by a worker, too.
          const ended = (ending: AttemptEnding): void => {
            this.#server.whenWorker(() => {
              resolve(ending);
            });
          };
          const { id: workflowId, runId } = this;
          Activity.start({
            server: this.#server,
            request,
            workflowId,
            runId,
            limits: this.#limits,
            budgetMs,
            ended,
          });
        }),
    };
  }
}
