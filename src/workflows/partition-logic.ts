/**
 * The logic of one partition: it admits chunks, attempts them until they are settled or their bound is reached, halts
 * at a conflict (I6) and hands its state to the next run. It decides nothing about balances and has no clock and no I/O
 * of its own (I9). Every Update ends within a bounded time and number of attempts, with what is settled and what remains.
 */
import { chunkUpdateId, FAILURE } from './contract.ts';
import type {
  AttemptKind,
  Chunk,
  DecideRequest,
  DecideResult,
  PartitionInput,
  PartitionLimits,
  PartitionStatus,
  ResumeRequest,
  ResumeResult,
  SettleAttemptResult,
  SettleResult,
  WaitingReport,
} from './contract.ts';
import { faultsOfChunk, keepRows, lowestOf, sequencesOf, sizeOf } from './chunk-rows.ts';
import { Decisions } from './decisions.ts';
import { Doubts } from './doubts.ts';
import { HaltState } from './halt.ts';
import { Refused } from './partition-runtime.ts';
import type { PartitionRuntime } from './partition-runtime.ts';
import { Turns } from './turns.ts';
import { attemptSummary, detailsText, haltText, waitSummary } from './wording.ts';

/** Waiting events that the status names at most. */
const WAITING_NAMED_MAX = 10;

/** An Update under way. */
interface Settling {
  /** See {@link PartitionStatus.underWay}. */
  readonly id: string;
  /** What is left of the chunk. */
  rest: Chunk;
  readonly startedMs: number;
  /** An attempt has left something of it unsettled. */
  isLeftBehind: boolean;
  /** Why the last attempt was not answered. */
  problem: string | undefined;
  attempts: number;
  settled: number;
  waiting: readonly WaitingReport[];
}

/** How far a run has come, as Temporal tells it. */
export interface RunLength {
  readonly historyLength: number;
  /** Bytes. */
  readonly historySize: number;
  readonly continueAsNewSuggested: boolean;
}

/** One partition, in one run of its workflow. */
export class Partition {
  readonly #runtime: PartitionRuntime;
  readonly #input: PartitionInput;
  readonly #limits: PartitionLimits;
  readonly #settlings = new Set<Settling>();
  readonly #doubts: Doubts;
  readonly #halt: HaltState;
  readonly #decisions: Decisions;
  readonly #turns = new Turns();
  /** Something was left behind, and nothing has been settled in full since, or not yet all that was left behind. */
  #isBehind = false;
  /** Attempts under way that are tasks of their own. */
  #regularUnderWay = 0;
  /** Wakes the one whose turn it is, and who waits for them to end. */
  #regularEnded: (() => void) | undefined;
  #lease: bigint;
  #settledTotal: bigint;
  #quietAtMs: number;
  #updates = 0;
  #closing = false;
  #limitsNext: PartitionLimits;

  constructor(input: PartitionInput, runtime: PartitionRuntime) {
    this.#input = input;
    this.#limits = input.limits;
    this.#limitsNext = input.limits;
    this.#runtime = runtime;
    this.#lease = BigInt(input.carried?.lease ?? '0');
    this.#settledTotal = BigInt(input.carried?.settledTotal ?? '0');
    this.#halt = new HaltState(input.carried?.halt);
    this.#doubts = new Doubts(input.carried?.doubts);
    this.#quietAtMs = input.carried?.quietAtMs ?? 0;
    this.#decisions = new Decisions({
      input,
      runtime,
      halt: this.#halt,
      unfinished: () => this.#settlings.size,
      quietAtMs: () => this.#quietAtMs,
      lifted: () => {
        this.#doubts.clear();
      },
    });
    this.#show();
  }

  /** Why a chunk is not let in, or undefined. Changes nothing: what it refuses leaves no trace in the history. */
  refusalOf(chunk: Chunk): Refused | undefined {
    const faults = faultsOfChunk(chunk, this.#input.stream, this.#input.partition);
    if (faults !== undefined) return new Refused(FAILURE.badChunk, faults);
    if (BigInt(chunk.lease) < this.#lease)
      return new Refused(
        FAILURE.staleLease,
        `chunk ${chunk.first}-${chunk.last} is of lease ${chunk.lease}; lease ${this.#lease} has taken over`,
        { lease: `${this.#lease}` },
      );
    if (this.#closing) return closingRefusal();
    const deciding = this.#decisions.refusalOfChunk();
    if (deciding) return deciding;
    const halt = this.#halt.current;
    if (!halt || this.#halt.isDecidedBy(chunk)) return undefined;
    return new Refused(FAILURE.halted, haltText(halt), this.#ended('halted', this.#begun(chunk)));
  }

  /**
   * Settles a chunk as far as it can within its bound. Everything in it is then either settled or in `remaining`.
   *
   * @throws Refused of type `bad-chunk` if the activity can't read the rows
   */
  async settle({ limits, ...chunk }: Chunk): Promise<SettleResult> {
    this.#updates += 1;
    if (limits) this.#limitsNext = limits;
    const lease = BigInt(chunk.lease);
    if (lease > this.#lease) this.#lease = lease;
    const settling = this.#begun(chunk);
    this.#settlings.add(settling);
    try {
      return await this.#attempt(settling);
    } finally {
      this.#settlings.delete(settling);
      this.#settledTotal += BigInt(settling.settled);
      this.#show();
    }
  }

  /** Lifts the halt, so that the next chunk decides again, with a new clock for doubt. Who and why stand in the history. */
  resume(_request: ResumeRequest): ResumeResult {
    this.#updates += 1;
    const lifted = this.#halt.lift();
    this.#doubts.clear();
    this.#show();
    return lifted ? { lifted } : {};
  }

  /** Why nobody may be resumed by this request now, or undefined. */
  refusalOfResume(request: ResumeRequest): Refused | undefined {
    const isText = (value: unknown): boolean => typeof value === 'string' && value.trim() !== '';
    if (!isText(request?.who) || !isText(request?.why))
      return new Refused(FAILURE.badRequest, 'resume needs who and why, two texts');
    return this.#closing ? closingRefusal() : this.#decisions.refusalOfResume();
  }

  /** Carries out a person's decision about an event that conflicts. */
  async decide(request: DecideRequest): Promise<DecideResult> {
    this.#updates += 1;
    try {
      return await this.#decisions.decide(request);
    } finally {
      this.#show();
    }
  }

  /** Why a decision is not carried out now, or undefined. */
  refusalOfDecision(request: DecideRequest): Refused | undefined {
    return this.#decisions.refusalOf(request) ?? (this.#closing ? closingRefusal() : undefined);
  }

  /** The partition as it is now. */
  status(): PartitionStatus {
    const waiting = [...this.#settlings].flatMap((settling) => settling.waiting);
    return {
      stream: this.#input.stream,
      partition: this.#input.partition,
      lease: `${this.#lease}`,
      settledTotal: `${this.#settledTotal}`,
      unfinished: this.#settlings.size,
      underWay: [...this.#settlings].map(({ id }) => id),
      waiting: waiting.slice(0, WAITING_NAMED_MAX),
      ...(this.#halt.current && { halt: this.#halt.current }),
      ...(this.#decisions.dismissing.length > 0 && { dismissing: this.#decisions.dismissing }),
      ...(this.#quietAtMs > 0 && { quietAt: new Date(this.#quietAtMs).toISOString() }),
    };
  }

  /** True once the run should continue as new. */
  isFull({ historyLength, historySize, continueAsNewSuggested }: RunLength): boolean {
    const { historyEventsMax, historyBytesMax = Infinity, updatesPerRunMax } = this.#limits;
    const isLong = historyLength >= historyEventsMax || historySize >= historyBytesMax;
    return continueAsNewSuggested || isLong || this.#updates >= updatesPerRunMax;
  }

  /** Lets no Update in any more, and ends those that wait. */
  close(): void {
    this.#closing = true;
  }

  /** The input of the next run. */
  next(): PartitionInput {
    return {
      ...this.#input,
      limits: this.#limitsNext,
      carried: {
        lease: `${this.#lease}`,
        settledTotal: `${this.#settledTotal}`,
        ...(this.#halt.current && { halt: this.#halt.current }),
        doubts: this.#doubts.all(),
        quietAtMs: this.#quietAtMs,
        ...this.#decisions.carried,
      },
    };
  }

  async #attempt(settling: Settling): Promise<SettleResult> {
    const { attemptsMax, updateMsMax, waitMsFirst, waitMsMax } = this.#limits;
    let waitMs = waitMsFirst;
    for (;;) {
      const before = sizeOf(settling.rest);
      const ended = await this.#attemptOnce(settling);
      if (ended) return ended;
      if (sizeOf(settling.rest) < before) waitMs = waitMsFirst;
      const { attempts: attempt } = settling;
      const isBound = attempt >= attemptsMax || this.#elapsedMs(settling) + waitMs > updateMsMax;
      const bound = settling.problem === undefined ? 'behind' : 'unavailable';
      const stopNow = this.#stopped(settling) ?? (isBound ? bound : undefined);
      if (stopNow) return this.#ended(stopNow, settling);
      const summary = waitSummary(settling.waiting, sizeOf(settling.rest), attempt);
      await this.#runtime.sleep(waitMs, summary, () => this.#stopped(settling) !== undefined);
      waitMs = Math.min(waitMs * 2, waitMsMax);
    }
  }

  /**
   * Makes an attempt: a local one where this is allowed and nothing of the partition has been left behind; else one that is a
   * task of its own. Returns the Update's result if it ends by that.
   *
   * Local attempts are made one at a time. Those that ran side by side would end in an order of their own, and the SDK
   * replays them in the order of their markers: a history that no worker could go on with (I9). While one of them waits in
   * vain, what it waits for may wait for its turn: so after it, until all that was left behind is settled, attempts are made
   * side by side, each seen in the UI while it lasts. The two kinds are never under way at once.
   */
  async #attemptOnce(settling: Settling): Promise<SettleResult | undefined> {
    while (this.#mayBeLocal()) {
      const local = await this.#turns.take(lowestOf(settling.rest), () => this.#attemptLocally(settling));
      if (local) return local.ended;
    }
    this.#regularUnderWay += 1;
    try {
      return await this.#attemptAs('regular', settling);
    } finally {
      this.#regularUnderWay -= 1;
      this.#regularEnded?.();
    }
  }

  /**
   * A local attempt, when no other is under way; undefined where it has to be one that is a task of its own. The end of
   * such a one may come with the task in which a local one begins: then the SDK's core (1.24) waits for the local one and
   * never tells the workflow of the other, and no worker can replay the history.
   */
  async #attemptLocally(
    settling: Settling,
  ): Promise<{ readonly ended: SettleResult | undefined } | undefined> {
    while (this.#mayBeLocal()) {
      if (this.#regularUnderWay === 0) return { ended: await this.#attemptAs('local', settling) };
      await new Promise<void>((resolve) => {
        this.#regularEnded = resolve;
      });
    }
    return undefined;
  }

  #mayBeLocal(): boolean {
    return this.#limits.activity === 'local' && !this.#isBehind;
  }

  /** Makes an attempt, and books what it found. */
  async #attemptAs(kind: AttemptKind, settling: Settling): Promise<SettleResult | undefined> {
    const { updateMsMax, activityMsMax, localMsMax = activityMsMax, activity } = this.#limits;
    // What was dismissed may have become known while it waited.
    this.#cutDown(settling, this.#decisions.without(settling.rest));
    if (sizeOf(settling.rest) === 0) return this.#settledInFull(settling);
    const stop = this.#stopped(settling);
    if (stop) return this.#ended(stop, settling);
    settling.attempts += 1;
    const { rest, attempts: attempt } = settling;
    const doubts = this.#doubts.of(sequencesOf(rest));
    // Storage that does not answer is the activity's own to retry: until the Update's bound, or one attempt long.
    const budgetMs = Math.max(updateMsMax - this.#elapsedMs(settling), activityMsMax);
    const ending = await this.#runtime.settle(
      { chunk: rest, attempt, doubts, ...(this.#decisions.asks && { asksForDismissed: true }) },
      attemptSummary(rest, attempt),
      { kind, budgetMs },
    );
    // A local attempt runs again when its workflow task times out, and nobody tells: one that began before may last.
    const mayLinger =
      ending.kind === 'unavailable' ||
      (ending.kind === 'answered' &&
        (ending.result.retried === true || (kind === 'local' && ending.result.remaining.length > 0)));
    // Beside a local attempt the clock stands still, for as long as that may last.
    const behindMs = activity === 'local' ? localMsMax : 0;
    const lingersMs = kind === 'local' ? localMsMax : activityMsMax + behindMs;
    if (mayLinger) this.#quietAtMs = Math.max(this.#quietAtMs, this.#runtime.now() + lingersMs);
    if (ending.kind === 'bad-chunk') throw new Refused(FAILURE.badChunk, ending.problem);
    settling.problem = ending.kind === 'unavailable' ? ending.problem : undefined;
    if (ending.kind === 'answered') this.#take(settling, ending.result);
    if (sizeOf(settling.rest) === 0) return this.#settledInFull(settling);
    settling.isLeftBehind = true;
    this.#isBehind = true;
    this.#regularEnded?.();
    // A task of its own has had its retries; after a local one the next is such a task, and shows in the UI what fails.
    return settling.problem !== undefined && kind === 'regular'
      ? this.#ended('unavailable', settling)
      : undefined;
  }

  #settledInFull(settling: Settling): SettleResult {
    settling.isLeftBehind = false;
    this.#isBehind = [...this.#settlings].some(({ isLeftBehind }) => isLeftBehind);
    return this.#ended('settled', settling);
  }

  /** Books what an attempt found. */
  #take(settling: Settling, result: SettleAttemptResult): void {
    const before = settling.rest;
    this.#decisions.learn(result.dismissed);
    settling.waiting = result.waiting;
    this.#cutDown(settling, keepRows(before, result.remaining));
    this.#doubts.replace(sequencesOf(before), result.doubts);
    this.#halt.book(before, settling.rest, result.conflict, this.#runtime.now());
    this.#show();
  }

  /** Books that only this is left of a chunk. */
  #cutDown(settling: Settling, rest: Chunk): void {
    settling.settled += sizeOf(settling.rest) - sizeOf(rest);
    settling.rest = rest;
  }

  /** Why an Update makes no further attempt whatever its bound, or undefined. */
  #stopped(settling: Settling): 'halted' | 'behind' | undefined {
    const mayDecide = settling.attempts === 0 && this.#halt.isDecidedBy(settling.rest);
    if (this.#halt.current && !mayDecide) return 'halted';
    const isOld = BigInt(settling.rest.lease) < this.#lease;
    return isOld || this.#closing || this.#decisions.refusalOfChunk() ? 'behind' : undefined;
  }

  #begun(chunk: Chunk): Settling {
    return {
      id: chunkUpdateId(chunk),
      rest: chunk,
      startedMs: this.#runtime.now(),
      isLeftBehind: false,
      problem: undefined,
      attempts: 0,
      settled: 0,
      waiting: [],
    };
  }

  #ended(outcome: SettleResult['outcome'], settling: Settling): SettleResult {
    const problem = outcome === 'unavailable' ? settling.problem : undefined;
    return {
      outcome,
      settled: settling.settled,
      remaining: sequencesOf(settling.rest),
      waiting: settling.waiting,
      attempts: settling.attempts,
      ...(outcome === 'halted' && this.#halt.current && { halt: this.#halt.current }),
      ...(problem !== undefined && { problem }),
    };
  }

  #elapsedMs(settling: Settling): number {
    return this.#runtime.now() - settling.startedMs;
  }

  #show(): void {
    this.#runtime.setDetails?.(detailsText(this.status()));
  }
}

function closingRefusal(): Refused {
  return new Refused(FAILURE.runClosing, 'this run is about to continue as new; send the same again');
}
