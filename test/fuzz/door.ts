/**
 * What a message meets on its way in: the real decoder, the real check of its number, and the real keeping of what is
 * refused. Each message ends in exactly one way, which is counted.
 */
import { isDeepStrictEqual } from 'node:util';
import { ClassicAdapter } from '../../src/ingest/classic.ts';
import { NumberedSequence } from '../../src/ingest/numbered.ts';
import { Rejects } from '../../src/ingest/rejects.ts';
import { StreamStopped } from '../../src/ingest/stop.ts';
import { createLogger } from '../../src/logging/index.ts';
import { decodeMessage, type DecodeContext } from '../../src/wire/decode.ts';
import { encodeMessage, messageOf } from '../../src/wire/encode.ts';
import type { Dialect } from '../../src/wire/message.ts';
import { REJECT_REASONS } from '../../src/wire/reasons.ts';
import type { Frames } from './frames.ts';

/** How messages ended. */
export interface Tally {
  accepted: number;
  duplicates: number;
  readonly rejected: Record<string, number>;
  /** Valid events that do not continue the stream, by the reason that names it. */
  readonly stopped: Record<string, number>;
}

/** Something that must not be. */
export interface Failure {
  readonly problem: string;
  readonly dialect: Dialect;
  /** The message's frames in hex. */
  readonly frames: readonly string[];
}

const RECEIVED_AT_MS = 1_800_000_000_000;
const FAILURES_KEPT_MAX = 20;
/** So many messages make a stream; the next begins with an empty memory. */
const STREAM_MESSAGES = 5_000;
const silent = createLogger({ level: 'silent', pretty: 'false' });
const WORDS = new Set<string>(REJECT_REASONS);

const context: DecodeContext = {
  receivedAtMs: RECEIVED_AT_MS,
  // A few instruments have decimals.
  divisorOf: (base, quote) => (base === 1 && quote < 3 ? 1_000n : 1n),
};

export const emptyTally = (): Tally => ({ accepted: 0, duplicates: 0, rejected: {}, stopped: {} });

/** All that ended in some way. */
export function totalOf({ accepted, duplicates, rejected, stopped }: Tally): number {
  const sum = (counts: Readonly<Record<string, number>>): number =>
    Object.values(counts).reduce((all, one) => all + one, 0);
  return accepted + duplicates + sum(rejected) + sum(stopped);
}

/** The door of one dialect. */
export class Door {
  readonly tally = emptyTally();
  readonly failures: Failure[] = [];
  crashes = 0;
  roundTrips = 0;
  readonly #dialect: Dialect;
  #messages = 0;
  #sequence!: NumberedSequence | ClassicAdapter;
  #rejects!: Rejects;
  #kept = 0;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
    this.#begin();
  }

  /** The number that the next message of a stream without faults has. */
  get next(): bigint {
    return this.#sequence.received + 1n;
  }

  /** Takes a message. Never throws: what went wrong is kept as a failure. */
  async take(frames: Frames): Promise<void> {
    if (this.#messages >= STREAM_MESSAGES) this.#begin();
    this.#messages += 1;
    const before = totalOf(this.tally);
    try {
      await this.#take(frames);
      if (totalOf(this.tally) !== before + 1) this.#fail('ended in no way, or in several', frames);
    } catch (error) {
      this.crashes += 1;
      this.#fail(error instanceof Error ? (error.stack ?? error.message) : String(error), frames);
    }
  }

  #begin(): void {
    this.#messages = 0;
    this.#sequence =
      this.#dialect === 'numbered'
        ? new NumberedSequence({ watermark: 0n, linesAbove: new Map(), readLine: async () => undefined })
        : new ClassicAdapter({
            lastSequence: 0n,
            lastTradeNumber: 0n,
            readBalances: async (keys) => keys.map(() => ({ available: 0n, frozen: 0n, version: 0n })),
            readTradeDigest: async () => undefined,
          });
    this.#rejects = new Rejects({
      stream: 'fuzz',
      lease: 1n,
      numbered: this.#dialect === 'numbered',
      log: silent,
      write: async () => {
        this.#kept += 1;
      },
    });
  }

  async #take(frames: Frames): Promise<void> {
    const { tally } = this;
    const decoded = decodeMessage(frames, this.#dialect, context);
    if (decoded.kind === 'rejected') {
      if (!WORDS.has(decoded.reason)) this.#fail(`unknown reason ${decoded.reason}`, frames);
      if (!decoded.faults.some((line) => line.startsWith(`${decoded.reason}: `)))
        this.#fail(`no fault is called ${decoded.reason}: ${decoded.faults.join('; ')}`, frames);
      await this.#reject(frames, decoded.reason, decoded.faults, decoded.sequence);
      return;
    }
    this.#check(frames, decoded);
    try {
      const admission = await this.#sequence.admit(decoded.event, decoded.digest);
      // Kinds that the compiler does not know here are counted as what they are called.
      const kind: string = admission.kind;
      if (admission.kind === 'next') {
        this.#sequence.accepted(admission.event, decoded.digest);
        tally.accepted += 1;
      } else if (admission.kind === 'duplicate') tally.duplicates += 1;
      else if (admission.kind === 'phantom-lock')
        await this.#reject(frames, 'phantom-lock', ['phantom-lock: x']);
      else tally.stopped[kind] = (tally.stopped[kind] ?? 0) + 1;
    } catch (error) {
      if (!(error instanceof StreamStopped)) throw error;
      const { reason } = error.stop;
      tally.stopped[reason] = (tally.stopped[reason] ?? 0) + 1;
    }
  }

  /** It must be kept, once where it comes again, and have a number only in a numbered stream. */
  async #reject(frames: Frames, reason: string, faults: readonly string[], sequence?: bigint): Promise<void> {
    const keptBefore = this.#kept;
    const afterSequence = this.#sequence.received;
    const place = { frames, sequence, afterSequence };
    const isAgain = this.#rejects.hasKept(place);
    if (!isAgain) {
      const rest = { receivedAtMs: RECEIVED_AT_MS, arrival: this.#messages, reason, faults };
      await this.#rejects.keep({ ...place, ...rest });
      if (this.#kept !== keptBefore + 1) this.#fail('a rejected message was not kept once', frames);
    }
    const isKnown = this.#dialect === 'numbered' && sequence === undefined;
    if (this.#rejects.hasKept(place) !== isKnown)
      this.#fail('a rejected message without a number is known again, in a numbered stream', frames);
    if (sequence !== undefined && this.#dialect !== 'numbered')
      this.#fail('a message of a classic stream has a number', frames);
    this.tally.rejected[reason] = (this.tally.rejected[reason] ?? 0) + 1;
  }

  /** A decoded event is valid JSON for everybody else, says what they read, and says the same when it is encoded again. */
  #check(frames: Frames, decoded: Extract<ReturnType<typeof decodeMessage>, { kind: 'event' }>): void {
    this.roundTrips += 1;
    const message = messageOf(decoded.event, this.#dialect);
    const read = exactNumbers(frames[1]?.toString('utf8') ?? '');
    for (const [name, value] of Object.entries(message))
      if (typeof value === 'bigint' && read[name] !== undefined && read[name] !== `${value}`)
        this.#fail(`${name} is ${JSON.stringify(read[name])}, and was read as ${value}`, frames);
    const again = decodeMessage(encodeMessage(message), this.#dialect, context);
    if (again.kind !== 'event')
      this.#fail(`encoded again it is no event: ${again.faults.join('; ')}`, frames);
    else if (!isDeepStrictEqual(again.event, decoded.event) || !again.digest.equals(decoded.digest))
      this.#fail('encoded again it is another event', frames);
  }

  #fail(problem: string, frames: Frames): void {
    if (this.failures.length >= FAILURES_KEPT_MAX) return;
    this.failures.push({
      problem,
      dialect: this.#dialect,
      frames: frames.map((frame) =>
        Buffer.from(frame ?? [])
          .subarray(0, 4_096)
          .toString('hex'),
      ),
    });
  }
}

/** A JSON object with its numbers as their own text, by JavaScript's parser and none of ours. */
function exactNumbers(text: string): Readonly<Record<string, unknown>> {
  const quoted = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );
  return JSON.parse(quoted) as Record<string, unknown>;
}
