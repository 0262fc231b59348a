/**
 * The logic of one partition: it admits chunks, attempts them until they are settled or their bound is reached, halts
 * at a conflict (I6) and hands its state to the next run. It decides nothing about balances and has no clock and no I/O
 * of its own (I9). Every Update ends within a bounded time and number of attempts, with what is settled and what remains.
 */
import { chunkUpdateId, FAILURE } from './contract.ts';
import type {
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
import { faultsOfChunk, keepRows, sequencesOf, sizeOf } from './chunk-rows.ts';
import { Decisions } from './decisions.ts';
import { Doubts } from './doubts.ts';
import { HaltState } from './halt.ts';
import { Refused } from './partition-runtime.ts';
import type { PartitionRuntime } from './partition-runtime.ts';
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
      this.#cutDown(settling, this.#decisions.without(chunk));
      if (sizeOf(settling.rest) === 0) return this.#ended('settled', settling);
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
    const { attemptsMax, updateMsMax, waitMsFirst, waitMsMax, activityMsMax } = this.#limits;
    let waitMs = waitMsFirst;
    for (;;) {
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
        budgetMs,
      );
      const mayLinger =
        ending.kind === 'unavailable' || (ending.kind === 'answered' && ending.result.retried);
      if (mayLinger) this.#quietAtMs = this.#runtime.now() + activityMsMax;
      if (ending.kind === 'bad-chunk') throw new Refused(FAILURE.badChunk, ending.problem);
      if (ending.kind === 'unavailable') return this.#ended('unavailable', settling, ending.problem);

      const progressed = this.#take(settling, ending.result);
      if (sizeOf(settling.rest) === 0) return this.#ended('settled', settling);
      if (progressed) waitMs = waitMsFirst;
      const isBound = attempt >= attemptsMax || this.#elapsedMs(settling) + waitMs > updateMsMax;
      const stopNow = this.#stopped(settling) ?? (isBound ? 'behind' : undefined);
      if (stopNow) return this.#ended(stopNow, settling);
      const summary = waitSummary(settling.waiting, sizeOf(settling.rest), attempt);
      await this.#runtime.sleep(waitMs, summary, () => this.#stopped(settling) !== undefined);
      waitMs = Math.min(waitMs * 2, waitMsMax);
    }
  }

  /** Books what an attempt found. True if it settled anything. */
  #take(settling: Settling, result: SettleAttemptResult): boolean {
    const before = settling.rest;
    this.#decisions.learn(result.dismissed);
    settling.waiting = result.waiting;
    const settledNow = this.#cutDown(settling, keepRows(before, result.remaining));
    this.#doubts.replace(sequencesOf(before), result.doubts);
    this.#halt.book(before, settling.rest, result.conflict, this.#runtime.now());
    this.#show();
    return settledNow > 0;
  }

  /** Books that only this is left of a chunk. Returns how many events are settled by that. */
  #cutDown(settling: Settling, rest: Chunk): number {
    const settled = sizeOf(settling.rest) - sizeOf(rest);
    settling.rest = rest;
    settling.settled += settled;
    return settled;
  }

  /** Why an Update makes no further attempt whatever its bound, or undefined. */
  #stopped(settling: Settling): 'halted' | 'behind' | undefined {
    const mayDecide = settling.attempts === 0 && this.#halt.isDecidedBy(settling.rest);
    if (this.#halt.current && !mayDecide) return 'halted';
    const isOld = BigInt(settling.rest.lease) < this.#lease;
    return isOld || this.#closing || this.#decisions.refusalOfChunk() ? 'behind' : undefined;
  }

  #begun(chunk: Chunk): Settling {
    const startedMs = this.#runtime.now();
    return { id: chunkUpdateId(chunk), rest: chunk, startedMs, attempts: 0, settled: 0, waiting: [] };
  }

  #ended(outcome: SettleResult['outcome'], settling: Settling, problem?: string): SettleResult {
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
