/**
 * Messages that are no valid event (I6): each is kept byte for byte with its reason and place, counted, and logged once. One
 * without a number that comes again at its place, with what was asked for, is a duplicate.
 * In a numbered stream one whose sequence can be read stops it by name; any other leaves a hole, which decides.
 */
import { createHash } from 'node:crypto';
import type { RejectedMessage } from '../ledger/rejected.ts';
import type { Logger } from '../logging/index.ts';
import { StreamStopped } from './stop.ts';

/**
 * Of a message of many frames so much is kept; the database takes no more at once. Two frames, each within the
 * transport's limit, are far below.
 */
export const KEPT_BYTES_MAX = 8 * 1024 * 1024;
/** And so many frames: each takes room of its own, also where nothing is in it. */
export const KEPT_FRAMES_MAX = 1_024;

/** So many of those that were kept at one place are known again, the newest. */
const KNOWN_MAX = 1_000;

/** A message that was refused, and why. */
export interface Refusal {
  readonly frames: readonly Buffer[];
  readonly receivedAtMs: number;
  /** Counts the messages that this ingest received. */
  readonly arrival: number;
  readonly reason: string;
  readonly faults: readonly string[];
  /** Its own sequence, if that could be read. */
  readonly sequence?: bigint | undefined;
  /** The last sequence accepted before it. */
  readonly afterSequence: bigint;
}

/** What keeping them needs. */
export interface RejectsOptions {
  readonly stream: string;
  readonly lease: bigint;
  readonly numbered: boolean;
  readonly log: Logger;
  /** Writes one; repeated until it succeeds. */
  write(message: RejectedMessage): Promise<void>;
}

/** Keeps and counts rejected messages. */
export class Rejects {
  readonly #options: RejectsOptions;
  readonly #counts: Record<string, number> = {};
  /** Digests of what was kept without a sequence after the last one that was accepted. */
  readonly #kept = new Set<string>();
  #keptAfter = -1n;

  constructor(options: RejectsOptions) {
    this.#options = options;
  }

  /** How many there were, by reason. */
  get counts(): Readonly<Record<string, number>> {
    return { ...this.#counts };
  }

  /** True for one that comes again with what was asked for: it was kept at the same place, and has no number to know it by. */
  hasKept({
    frames,
    sequence,
    afterSequence,
  }: Pick<Refusal, 'frames' | 'sequence' | 'afterSequence'>): boolean {
    const isSame = sequence === undefined && afterSequence === this.#keptAfter;
    return isSame && this.#kept.has(digestOf(frames));
  }

  /** Keeps one. */
  async keep(refusal: Refusal): Promise<void> {
    const { stream, lease, numbered, log } = this.#options;
    const { reason, sequence, afterSequence, arrival } = refusal;
    const { frames, faults } = withinBounds(refusal);
    await this.#options.write({ ...refusal, stream, lease, arrival: BigInt(arrival), frames, faults });
    if (numbered && sequence === undefined) this.#remember(refusal);
    this.#counts[reason] = (this.#counts[reason] ?? 0) + 1;
    log.warn(
      {
        reason,
        faults,
        arrival,
        afterSequence: `${afterSequence}`,
        ...(sequence === undefined ? {} : { sequence: `${sequence}` }),
      },
      'message rejected and kept',
    );
  }

  #remember({ frames, afterSequence }: Refusal): void {
    if (afterSequence !== this.#keptAfter) this.#kept.clear();
    this.#keptAfter = afterSequence;
    this.#kept.add(digestOf(frames));
    const [oldest = ''] = this.#kept;
    if (this.#kept.size > KNOWN_MAX) this.#kept.delete(oldest);
  }
}

/** The stop at a message that is no valid event, where it is known which event of a numbered stream it should have been. */
export function rejectedStop(sequence: bigint, faults: readonly string[]): StreamStopped {
  return new StreamStopped({
    reason: 'rejected',
    sequence: sequence.toString(),
    message:
      `the message with sequence ${sequence} is no valid event: ${faults.join('; ')}. It is kept in ` +
      `rejected_messages. Let the engine send it again, corrected, then start the ingest again`,
  });
}

function digestOf(frames: readonly Buffer[]): string {
  const digest = createHash('sha256');
  for (const frame of frames) digest.update(`${frame.length} `).update(frame);
  return digest.digest('hex');
}

/** All frames, or as many as may be kept, with a fault that says what is not and proves what it was. */
function withinBounds({ frames, faults }: Refusal): Pick<Refusal, 'frames' | 'faults'> {
  let bytes = 0;
  const over = frames.findIndex(
    (frame, index) => index >= KEPT_FRAMES_MAX || (bytes += frame.length) > KEPT_BYTES_MAX,
  );
  if (over < 0) return { frames, faults };
  const digest = createHash('sha256');
  for (const frame of frames) digest.update(frame);
  const kept = `kept-in-part: ${over} of ${frames.length} frames are kept; SHA-256 of all is ${digest.digest('hex')}`;
  return { frames: frames.slice(0, over), faults: [...faults, kept] };
}
