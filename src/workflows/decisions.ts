/**
 * People's decisions about events that conflict, one at a time. A dismissal is final from the moment at which its first
 * attempt may write: until it is known to be done the partition waits, and the event can only be dismissed again, since
 * a void and an ordinary settlement of one event must never meet (I1, I2). A dismissed event never reaches the settler
 * again: its rows are taken out of the chunks in which it is sent once more, and count as settled (I6).
 */
import { compareDecimals, keepRows, sequencesOf } from './chunk-rows.ts';
import { FAILURE } from './contract.ts';
import type { Chunk, DecideEnding, DecideRequest, DecideResult, Halt, PartitionInput } from './contract.ts';
import { HaltState } from './halt.ts';
import { Refused } from './partition-runtime.ts';
import type { PartitionRuntime } from './partition-runtime.ts';
import { parseUint63 } from '../domain/integers.ts';

/** Dismissed sequences that are carried from run to run; those before them were passed long ago. */
const DISMISSED_KEPT_MAX = 1_000;
/** Characters of who and why at most. */
const TEXT_MAX = 2_000;
/** A decision's activity may be tried so long, in attempts that last as long as they may. */
const ATTEMPTS_LONG = 2;

const KINDS: readonly unknown[] = ['resume', 'retry', 'dismiss'];

/** What decisions need of the partition. */
export interface DecisionsOptions {
  readonly input: PartitionInput;
  readonly runtime: PartitionRuntime;
  readonly halt: HaltState;
  /** Attempts under way, and until when one that nobody hears may still be running, ms since the epoch. */
  readonly unfinished: () => number;
  readonly quietAtMs: () => number;
  /** Told that an event is decided again: doubts count anew. */
  readonly lifted: () => void;
}

/** The decisions of one partition. */
export class Decisions {
  readonly #options: DecisionsOptions;
  /** Undefined while it is not known what was dismissed before this run. */
  #known: boolean;
  readonly #dismissed: Set<string>;
  readonly #dismissing: Set<string>;
  /** Until then an attempt at a dismissal that nobody hears may be running, and begin it, ms since the epoch. */
  #lingersUntilMs: number;
  #isDeciding = false;

  constructor(options: DecisionsOptions) {
    this.#options = options;
    const { carried } = options.input;
    this.#known = carried?.dismissed !== undefined;
    this.#dismissed = new Set(carried?.dismissed);
    this.#dismissing = new Set(carried?.dismissing);
    const isBegun = this.#dismissing.size > 0;
    this.#lingersUntilMs = carried?.lingersUntilMs ?? (isBegun ? this.#lingersFromNow() : 0);
  }

  /** True where the database must be asked which events were dismissed. */
  get asks(): boolean {
    return !this.#known;
  }

  /** Sequences whose dismissal was begun and not finished. */
  get dismissing(): readonly string[] {
    return [...this.#dismissing];
  }

  /** What the next run must know. */
  get carried(): Pick<NonNullable<PartitionInput['carried']>, 'dismissed' | 'dismissing' | 'lingersUntilMs'> {
    const newest = [...this.#dismissed].sort(compareDecimals).slice(-DISMISSED_KEPT_MAX);
    return {
      ...(this.#known && { dismissed: newest }),
      ...(this.#dismissing.size > 0 && {
        dismissing: this.dismissing,
        lingersUntilMs: this.#lingersUntilMs,
      }),
    };
  }

  /** Takes over what an attempt read in the database. */
  learn(dismissed: readonly string[] | undefined): void {
    if (!dismissed) return;
    for (const sequence of dismissed) this.#dismissed.add(sequence);
    this.#known = true;
  }

  /** The chunk without the events that were dismissed. */
  without(chunk: Chunk): Chunk {
    if (this.#dismissed.size === 0) return chunk;
    const sequences = sequencesOf(chunk);
    const kept = sequences.filter((sequence) => !this.#dismissed.has(sequence));
    return kept.length === sequences.length ? chunk : keepRows(chunk, kept);
  }

  /** Why no chunk is let in now, or undefined. */
  refusalOfChunk(): Refused | undefined {
    if (this.#isDeciding) return new Refused(FAILURE.deciding, 'a decision is being carried out; send again');
    const [sequence] = this.#dismissing;
    if (sequence === undefined) return undefined;
    const message = `the dismissal of sequence ${sequence} was begun and not finished: repeat it`;
    return new Refused(FAILURE.deciding, message);
  }

  /** Why the halt may not be lifted by the older `resume`, or undefined. */
  refusalOfResume(): Refused | undefined {
    return this.refusalOfChunk();
  }

  /** Why a request is none, or may not be carried out now; or undefined. */
  refusalOf(request: DecideRequest): Refused | undefined {
    const isText = (value: unknown): boolean =>
      typeof value === 'string' && value.trim() !== '' && value.length <= TEXT_MAX;
    if (!KINDS.includes(request?.decision) || !isText(request.who) || !isText(request.why))
      return new Refused(
        FAILURE.badRequest,
        `decide needs a decision (resume, retry, dismiss), who and why, each a text of at most ${TEXT_MAX} characters`,
      );
    if (request.decision !== 'resume')
      try {
        parseUint63(String(request.sequence), 'sequence');
      } catch (error) {
        return new Refused(FAILURE.badRequest, String(error));
      }
    return this.#isDeciding
      ? new Refused(FAILURE.deciding, 'another decision is being carried out; try again')
      : undefined;
  }

  /** Carries a decision out. Who, why and what came of it stand in the history. */
  async decide(request: DecideRequest): Promise<DecideResult> {
    const halt = this.#options.halt.current;
    const sequence = request.sequence ?? halt?.conflict.sequence;
    if (request.decision === 'dismiss' && sequence !== undefined) return this.#alone(request, sequence);
    if (!halt || sequence === undefined)
      return refused('not-halted', 'the partition is not halted: nothing is to be decided again', halt);
    if (halt.conflict.sequence !== sequence) {
      const message = `the partition is halted by sequence ${halt.conflict.sequence}, not by ${sequence}: decide about that first`;
      return refused('other-halt', message, halt);
    }
    const [begun] = this.#dismissing;
    if (begun !== undefined) {
      const message = `the dismissal of sequence ${begun} was begun: it can only be dismissed; repeat that`;
      return refused('dismissal-begun', message, halt);
    }
    return this.#alone(request, sequence);
  }

  /** While a decision is carried out nothing is settled. */
  async #alone(request: DecideRequest, sequence: string): Promise<DecideResult> {
    this.#isDeciding = true;
    try {
      if (request.decision === 'dismiss' && !(await this.#isQuiet(sequence)))
        return refused(
          'unavailable',
          'attempts under way did not end; try again',
          this.#options.halt.current,
        );
      return await this.#carryOut(request, sequence);
    } finally {
      this.#isDeciding = false;
    }
  }

  async #carryOut({ decision, who, why }: DecideRequest, sequence: string): Promise<DecideResult> {
    const { input, runtime, halt } = this.#options;
    const { stream, partition } = input;
    if (!runtime.decide) return refused('unavailable', 'nobody carries out decisions here', halt.current);
    const isDismissal = decision === 'dismiss';
    const mayBegin = this.#dismissing.has(sequence) && runtime.now() < this.#lingersUntilMs;
    if (isDismissal) this.#dismissing.add(sequence);
    const order = { stream, partition, decision, sequence, who, why };
    const budgetMs = ATTEMPTS_LONG * input.limits.activityMsMax;
    const ending = await runtime.decide(order, `${decision} of sequence ${sequence}`, budgetMs);
    if (ending.kind === 'unknown') {
      if (isDismissal) this.#lingersUntilMs = this.#lingersFromNow();
      const message = isDismissal
        ? `it is not known how far the dismissal of sequence ${sequence} came (${ending.problem}): repeat it`
        : `the decision could not be recorded (${ending.problem}); nothing is changed`;
      return refused('unavailable', message, halt.current);
    }
    if (ending.kind === 'refused') {
      // One that was begun by an earlier attempt is not refused. So nothing is begun, unless such an attempt still runs.
      const isRetried = isDismissal && ending.retried === true;
      if (isRetried) this.#lingersUntilMs = this.#lingersFromNow();
      if (mayBegin || isRetried) {
        const at = new Date(this.#lingersUntilMs).toISOString();
        const message = `${ending.message}. An earlier attempt at the dismissal may still be running: repeat it after ${at}`;
        return refused('unavailable', message, halt.current);
      }
      this.#dismissing.delete(sequence);
      return refused(ending.reason, ending.message, halt.current);
    }
    return this.#done(sequence, isDismissal, ending);
  }

  #lingersFromNow(): number {
    return this.#options.runtime.now() + this.#options.input.limits.activityMsMax;
  }

  #done(
    sequence: string,
    isDismissal: boolean,
    { balances }: DecideEnding & { readonly kind: 'done' },
  ): DecideResult {
    const { halt } = this.#options;
    if (isDismissal) {
      this.#dismissing.delete(sequence);
      this.#dismissed.add(sequence);
    }
    const lifted = halt.current?.conflict.sequence === sequence ? halt.lift() : undefined;
    if (lifted) this.#options.lifted();
    return {
      outcome: 'done',
      sequence,
      ...(lifted && { lifted }),
      ...(isDismissal && { balances }),
    };
  }

  /** Waits until no attempt at this partition's events can be running, heard or unheard. False if that takes too long. */
  async #isQuiet(sequence: string): Promise<boolean> {
    const { runtime, unfinished, quietAtMs } = this.#options;
    const summary = `before the dismissal of sequence ${sequence}: attempts under way end`;
    const { limits } = this.#options.input;
    const endedByMs = runtime.now() + 2 * (limits.updateMsMax + limits.activityMsMax);
    const isIdle = (): boolean => unfinished() === 0;
    while (!isIdle() && runtime.now() < endedByMs) await runtime.sleep(limits.updateMsMax, summary, isIdle);
    const leftMs = quietAtMs() - runtime.now();
    if (leftMs > 0) await runtime.sleep(leftMs, summary, () => false);
    return isIdle();
  }
}

function refused(
  reason: (DecideResult & { readonly outcome: 'refused' })['reason'],
  message: string,
  halt: Halt | undefined,
): DecideResult {
  return { outcome: 'refused', reason, message, ...(halt && { halt }) };
}
