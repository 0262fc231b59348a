/**
 * Sends a stream, as fast as the other side takes it or at a steady rate, and counts what went out. A side that does not
 * take messages holds the sending up for as long as it likes; nothing is dropped and nothing piles up here.
 */

import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Frames } from '../publisher/push.ts';
import type { Outgoing } from './outgoing.ts';

/** Sends between two returns to the event loop: sockets that take all at once would else starve timers and signals. */
const BURST = 512;
/** A rate is never caught up by more than so long a burst after the other side held us up. */
const CATCH_UP_MS_MAX = 100;

/** What a sending needs of a publisher; none is given where a stream is only written to a file. */
export interface Sink {
  publish(frames: Frames, sequence: bigint | undefined): Promise<unknown>;
  /** True: a message of this number was published before, so that nothing will be sent. */
  isPublished?(sequence: bigint | undefined): boolean;
}

export interface SendOptions {
  /** Events a second, of those that were not published before. @default as fast as they are taken */
  readonly ratePerSecond?: number;
  /** Called with every message that was sent, after it was. A promise is waited for. */
  readonly onSent?: (message: Outgoing, sent: SentCounts) => void | Promise<void>;
}

/** What was sent. */
export interface SentCounts {
  messages: number;
  bytes: number;
  /** Messages by kind. */
  counts: Record<string, number>;
  firstSequence: bigint | undefined;
  lastSequence: bigint | undefined;
}

/** Sends all of a stream in order; resolves when the sink has taken the last message. */
export async function sendStream(
  stream: Iterable<Outgoing> | AsyncIterable<Outgoing>,
  sink: Sink | undefined,
  options: SendOptions = {},
): Promise<SentCounts> {
  const sent: SentCounts = {
    messages: 0,
    bytes: 0,
    counts: {},
    firstSequence: undefined,
    lastSequence: undefined,
  };
  const pace = options.ratePerSecond === undefined ? undefined : new Pace(options.ratePerSecond);
  for await (const message of stream) {
    if (pace !== undefined && sink?.isPublished?.(message.sequence) !== true) await pace.next();
    if (sink !== undefined) await sink.publish(message.frames, message.sequence);
    sent.messages++;
    sent.bytes += message.frames[0].length + message.frames[1].length;
    sent.counts[message.kind] = (sent.counts[message.kind] ?? 0) + 1;
    sent.firstSequence ??= message.sequence;
    sent.lastSequence = message.sequence ?? sent.lastSequence;
    const noted = options.onSent?.(message, sent);
    if (noted !== undefined) await noted;
    if (sent.messages % BURST === 0) await setImmediate();
  }
  return sent;
}

/** Spreads messages over time: each is due one interval after the one before. */
class Pace {
  readonly #intervalMs: number;
  #dueMs = performance.now();

  constructor(ratePerSecond: number) {
    this.#intervalMs = 1000 / ratePerSecond;
  }

  async next(): Promise<void> {
    const nowMs = performance.now();
    this.#dueMs = Math.max(this.#dueMs, nowMs - CATCH_UP_MS_MAX);
    const aheadMs = this.#dueMs - nowMs;
    // Timers are coarse: short waits are left to add up.
    if (aheadMs >= 2) await setTimeout(aheadMs);
    this.#dueMs += this.#intervalMs;
  }
}
