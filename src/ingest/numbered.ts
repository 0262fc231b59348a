/**
 * The sequence check of a numbered stream (I6): every event has the number after the last, or has been received before
 * and says the same. Other content under an old number stops the stream; nothing is dropped for its number alone. What follows
 * a hole is told apart, and is nobody's until the hole is filled: recovery.ts asks for it, or ends the stream.
 */
import { describeEvent, type SettlementEvent } from '../domain/event.ts';
import type { StreamLine } from '../ledger/stream-log.ts';
import { RecentDigests } from './recent-digests.ts';
import { StreamStopped } from './stop.ts';

/** What the sequence check says of an event. */
export type Admission =
  | { readonly kind: 'next'; readonly event: SettlementEvent }
  | { readonly kind: 'duplicate' }
  /** Events before it are missing. Nothing of it is noted: it is sent again with them, in its place. */
  | { readonly kind: 'ahead'; readonly expected: bigint };

/** What the check needs to know of the stream log. */
export interface NumberedOptions {
  /** The persisted watermark: the stream goes on after it. */
  readonly watermark: bigint;
  /** Lines above the watermark, by sequence: received by a former ingest, not known to be settled. */
  readonly linesAbove: ReadonlyMap<bigint, StreamLine>;
  readLine(sequence: bigint): Promise<StreamLine | undefined>;
  /** Events received and not yet settled, at most. */
  readonly inFlightMax?: number;
}

/** Checks the numbers of one stream. */
export class NumberedSequence {
  readonly #options: NumberedOptions;
  readonly #recent: RecentDigests;
  #received: bigint;

  constructor(options: NumberedOptions) {
    this.#options = options;
    this.#recent = new RecentDigests(options.inFlightMax);
    this.#received = options.watermark;
  }

  /** The highest sequence received without a hole. */
  get received(): bigint {
    return this.#received;
  }

  /**
   * Checks the next event.
   *
   * @throws {@link StreamStopped} `other-content`
   */
  async admit(event: SettlementEvent, digest: Buffer): Promise<Admission> {
    const expected = this.#received + 1n;
    if (event.sequence > expected) return { kind: 'ahead', expected };
    if (event.sequence < expected) {
      const before =
        this.#recent.get(event.sequence) ?? (await this.#options.readLine(event.sequence))?.digest;
      if (before?.equals(digest)) return { kind: 'duplicate' };
      throw otherContent(event, before);
    }
    const logged = this.#options.linesAbove.get(event.sequence)?.digest;
    if (logged && !logged.equals(digest)) throw otherContent(event, logged);
    return { kind: 'next', event };
  }

  /** Goes on after a watermark that another ingest has moved: all up to it is settled, and has its line. */
  continueAfter(watermark: bigint): void {
    if (watermark > this.#received) this.#received = watermark;
  }

  /** Notes that an admitted event was accepted. */
  accepted(event: SettlementEvent, digest: Buffer): void {
    this.#received = event.sequence;
    this.#recent.set(event.sequence, digest);
  }
}

function otherContent(event: SettlementEvent, before: Buffer | undefined): StreamStopped {
  return new StreamStopped({
    reason: 'other-content',
    sequence: event.sequence.toString(),
    event: describeEvent(event),
    ...(before ? { expected: before.toString('hex') } : {}),
    message: before
      ? `${describeEvent(event)} differs from what was received under its number before: the engine restarted its ` +
        `numbering or changed its history. Nothing of it is settled. "settled event show ${event.sequence}" tells what was received before; ` +
        `compare it with the engine's book`
      : `${describeEvent(event)} has a number at or below the watermark, but the stream log has no line of it: the ` +
        `log is damaged, run "settled verify"`,
  });
}
