/**
 * One partition's workflow as Temporal runs it: the product's `Partition` on virtual time. Its state survives workers,
 * since a history does; each step needs a worker to take it. Updates are known by their ids within a run; before a limit
 * is reached it continues as new, never with an Update unfinished. What partition.ts does with the SDK, this does here.
 */
import {
  FAILURE,
  WORKFLOW_TASK_MS,
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
/** A workflow task with a local attempt is renewed after four fifths of its time, ms. */
const RENEWAL_MS = 0.8 * WORKFLOW_TASK_MS;
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
  #isLocalUnderWay = false;
  /** Attempts under way that are tasks of their own. */
  #regularUnderWay = 0;
  /** Local attempts so far. */
  #localTasks = 0;
  /** What waits for the workflow task to end. */
  readonly #held: (() => void)[] = [];

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
      this.#betweenTasks(() => {
        if (this.#ended) this.#server.update(this.id, chunk, updateId, respond);
        else if (!this.#attach(updateId, respond)) this.#admit(chunk, updateId, respond);
      });
    });
  }

  /**
   * While a local attempt is under way its workflow task is, too: nothing reaches the workflow, and nothing that it says
   * leaves it, until the attempt has ended or the task is renewed.
   */
  #betweenTasks(then: () => void): void {
    if (this.#isLocalUnderWay) this.#held.push(then);
    else then();
  }

  #taskEnded(): void {
    for (const then of this.#held.splice(0)) then();
  }

  #localBegan(): void {
    this.#isLocalUnderWay = true;
    const { scheduler } = this.#server;
    const task = (this.#localTasks += 1);
    const renew = (): void => {
      scheduler.in(scheduler.world, RENEWAL_MS, () => {
        if (task !== this.#localTasks || !this.#isLocalUnderWay) return;
        this.#taskEnded();
        renew();
      });
    };
    renew();
  }

  /** The task ends when no other local attempt has begun in it meanwhile. */
  #localEnded(): void {
    this.#isLocalUnderWay = false;
    const { scheduler } = this.#server;
    scheduler.in(scheduler.world, 0, () => {
      if (!this.#isLocalUnderWay) this.#taskEnded();
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
    this.#betweenTasks(() => {
      for (const respond of state.waiting) respond(ending);
    });
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

  /** Beside a local attempt the SDK's core loses the end of one that is a task of its own. */
  #checkKinds(isLocal: boolean): void {
    if (isLocal ? this.#regularUnderWay > 0 : this.#isLocalUnderWay)
      this.#server.onFault(
        new Error('a local attempt and one that is a task of its own are under way at once'),
      );
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
              this.#betweenTasks(() => {
                waiter.resolve();
              });
            });
          });
        }),
      settle: (request, _summary, { kind, budgetMs }) =>
        new Promise<AttemptEnding>((resolve) => {
          this.#historyEvents += ATTEMPT_EVENTS;
          this.#checkBound(request);
          const isLocal = kind === 'local';
          this.#checkKinds(isLocal);
          if (isLocal) this.#localBegan();
          else this.#regularUnderWay += 1;
          // The activity's answer is taken by a worker, too.
          const ended = (ending: AttemptEnding): void => {
            this.#server.whenWorker(() => {
              if (isLocal) this.#localEnded();
              this.#betweenTasks(() => {
                if (!isLocal) this.#regularUnderWay -= 1;
                resolve(ending);
              });
            });
          };
          const { id: workflowId, runId } = this;
          const start = (): void => {
            Activity.start({
              server: this.#server,
              request,
              workflowId,
              runId,
              limits: this.#limits,
              budgetMs,
              isLocal,
              ended,
            });
          };
          if (isLocal) start();
          else this.#betweenTasks(start);
        }),
    };
  }
}
