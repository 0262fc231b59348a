/**
 * When to ask the engine for the stream again. On each new connection, from the last event received, which is compared too
 * (I1b); at a hole (I6), with a backoff; and now and then where nothing comes, since the last messages may have gone to
 * another ingest that is still connected, and nothing follows that would show the hole. What comes behind a hole is dropped, not kept: the engine sends it again after
 * what is missing, in order, so keeping it would cost memory and save nothing. A hole that is there again each time the
 * engine has gone back is the engine's own, and stops the stream by name.
 */
import type { Logger } from '../logging/index.ts';
import { StreamStopped } from './stop.ts';

/** Bounds of the asking. */
export interface ResumptionLimits {
  /** First pause between two requests at a hole, ms; it doubles. */
  readonly pauseMsFirst: number;
  readonly pauseMsMax: number;
  /** How often the engine may go back and leave the same hole. */
  readonly roundsMax: number;
  /** After a request nothing may come for so long, ms, before it is made again. */
  readonly quietMsMax: number;
  /** Where nothing is known to be missing and nothing comes, it is asked after so long, then after twice as long each time, ms. */
  readonly idleMsFirst: number;
  readonly idleMsMax: number;
}

/** The limits of a product. */
export const RESUMPTION_LIMITS: ResumptionLimits = {
  pauseMsFirst: 200,
  pauseMsMax: 5_000,
  roundsMax: 8,
  quietMsMax: 5_000,
  idleMsFirst: 5_000,
  idleMsMax: 60_000,
};

/** What it needs. */
export interface ResumptionOptions {
  readonly log: Logger;
  readonly limits: ResumptionLimits;
  /** The last sequence received without a hole. */
  received(): bigint;
  /** Asks the engine to send from a sequence on. */
  ask(from: bigint): void;
  /** A monotonic clock, ms. */
  nowMs(): number;
}

interface Hole {
  readonly expected: bigint;
  /** How often the engine went back and the hole was there again. */
  rounds: number;
}

/** Decides when to ask. */
export class Resumption {
  readonly #options: ResumptionOptions;
  #hole: Hole | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #pauseMs: number;
  #idleMs: number;
  #lastSeen = 0n;
  #highestSeen = 0n;
  /** The engine has gone back since it was asked last. */
  #rewound = false;
  /** No round of the hole was counted since the engine was asked last. */
  #isAwaited = false;
  /** Since the connection was made, the last event received has not come to be compared: the engine owes it. */
  #isUncompared = true;
  #uncomparedAtMs: number;
  /** Since when a request has had no answer at all. */
  #unansweredSinceMs: number | undefined;
  #asked = 0;
  #dropped = 0;

  constructor(options: ResumptionOptions) {
    this.#options = options;
    this.#pauseMs = options.limits.pauseMsFirst;
    this.#idleMs = options.limits.idleMsFirst;
    this.#uncomparedAtMs = options.nowMs();
  }

  /** How long nothing at all has come since the engine was asked, though the last event received is always there to be sent, ms. */
  get unansweredMs(): number {
    if (this.#unansweredSinceMs === undefined || this.#options.received() === 0n) return 0;
    return this.#options.nowMs() - this.#unansweredSinceMs;
  }

  /** How often the engine was asked. */
  get asked(): number {
    return this.#asked;
  }

  /** Messages that were dropped since something before them is missing. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Another engine may be at the other end from now on, or the same one with another history: nothing new is taken until
   * it has sent the last event received again, and that is the same as before (I1b).
   */
  uncertain(): void {
    this.#highestSeen = 0n;
    if (this.#isUncompared) return;
    this.#isUncompared = true;
    this.#uncomparedAtMs = this.#options.nowMs();
  }

  /** The last event received has come again, and is the same. */
  compared(): void {
    this.#isUncompared = false;
  }

  /** A connection was made: nothing is known of what got lost between the one before and this one. */
  connected(): void {
    this.#pauseMs = this.#options.limits.pauseMsFirst;
    this.#idleMs = this.#options.limits.idleMsFirst;
    this.#ask();
  }

  /** A message with this number has come, whatever becomes of it. */
  seen(sequence: bigint): void {
    if (sequence <= this.#lastSeen) this.#rewound = true;
    this.#lastSeen = sequence;
    if (sequence > this.#highestSeen) this.#highestSeen = sequence;
    this.#heardAtMs = this.#options.nowMs();
    this.#unansweredSinceMs = undefined;
  }

  /** True if a message is not to be looked at, since what the engine owes has not come. It comes again. */
  holdsBack(sequence: bigint): boolean {
    if (!this.#isOwed || sequence <= this.#options.received()) return false;
    this.#dropped += 1;
    this.#askAgain();
    return true;
  }

  /** The next event was accepted. */
  accepted(): void {
    this.#isUncompared = false;
    this.#idleMs = this.#options.limits.idleMsFirst;
    if (this.#highestSeen <= this.#options.received()) this.#pauseMs = this.#options.limits.pauseMsFirst;
    if (!this.#hole) return;
    this.#options.log.info(
      { sequence: `${this.#hole.expected}`, asked: this.#asked, dropped: this.#dropped },
      'what was missing has come',
    );
    this.#hole = undefined;
    this.#pauseMs = this.#options.limits.pauseMsFirst;
  }

  /**
   * A message has come behind a hole. It is dropped: it comes again.
   *
   * @throws {@link StreamStopped} `hole` if the engine went back often enough and did not fill it
   */
  ahead(expected: bigint, stated: bigint, event: string): void {
    this.#dropped += 1;
    if (this.#hole?.expected !== expected) {
      this.#hole = { expected, rounds: 0 };
      this.#options.log.warn(
        { first: `${expected}`, last: `${stated - 1n}`, event },
        'sequences are missing; the engine is asked to send them again',
      );
    } else if (this.#rewound && this.#isAwaited) {
      // One round for each request, however many messages follow the hole.
      this.#isAwaited = false;
      this.#hole.rounds += 1;
      if (this.#hole.rounds >= this.#options.limits.roundsMax) throw unfilled(expected, stated, event);
    } else if (this.#sinceAsked < this.#pauseMs) return;
    this.#askAgain();
  }

  /**
   * To be called now and then while the socket is being read. Asks again where nothing came.
   *
   * @returns true if the engine has owed for long what it was asked for
   */
  tick(): boolean {
    const { pauseMsMax, quietMsMax, idleMsMax } = this.#options.limits;
    const now = this.#options.nowMs();
    const quietMs = now - Math.max(this.#askedAtMs, this.#heardAtMs);
    // What stays away however often it is asked for was another engine's.
    if (!this.#hole && this.#pauseMs >= pauseMsMax) this.#highestSeen = 0n;
    // Before what came, or behind it: that was seen, and dropped at a hole that is filled by now.
    const lacksMore = this.#hole !== undefined || this.#highestSeen > this.#options.received();
    if (lacksMore) {
      if (quietMs >= quietMsMax / 5) this.#askAgain();
    } else if (!this.#isOwed && quietMs >= this.#idleMs) {
      this.#idleMs = Math.min(this.#idleMs * 2, idleMsMax);
      this.#ask();
    }
    if (!this.#isOwed) return false;
    if (quietMs >= quietMsMax) this.#askAgain();
    return now - this.#uncomparedAtMs >= quietMsMax;
  }

  /** The last event received is always there to be sent; without one an engine may have nothing to say. */
  get #isOwed(): boolean {
    return this.#isUncompared && this.#options.received() > 0n;
  }

  get #sinceAsked(): number {
    return this.#options.nowMs() - this.#askedAtMs;
  }

  #askAgain(): void {
    if (this.#sinceAsked < this.#pauseMs) return;
    this.#pauseMs = Math.min(this.#pauseMs * 2, this.#options.limits.pauseMsMax);
    this.#ask();
  }

  #ask(): void {
    const received = this.#options.received();
    this.#askedAtMs = this.#options.nowMs();
    this.#unansweredSinceMs ??= this.#askedAtMs;
    this.#rewound = false;
    this.#isAwaited = true;
    this.#asked += 1;
    this.#options.ask(received > 0n ? received : 1n);
  }
}

function missing(first: bigint, last: bigint): string {
  return first === last ? `sequence ${first} is` : `sequences ${first} to ${last} are`;
}

function holeStop(expected: bigint, stated: bigint, event: string, message: string): StreamStopped {
  return new StreamStopped({
    reason: 'hole',
    sequence: expected.toString(),
    event,
    expected: expected.toString(),
    stated: stated.toString(),
    message: `${missing(expected, stated - 1n)} missing before ${event}${message}`,
  });
}

/** The stop at a hole that nobody can be asked to fill. */
export function hole(expected: bigint, stated: bigint, event: string): StreamStopped {
  return holeStop(
    expected,
    stated,
    event,
    `. Let the engine send the stream again from sequence ${expected}, then start the ingest again; everything before it ` +
      `is settled. An engine with a control socket is asked by itself (--control, docs/wire.md)`,
  );
}

function unfilled(expected: bigint, stated: bigint, event: string): StreamStopped {
  return holeStop(
    expected,
    stated,
    event,
    `, and the engine was asked again and again, went back, and did not send ${expected}. Either it is not in its outbox, ` +
      `or what it sends there is no valid event: look at rejected_messages. Nothing from ${expected} on is settled`,
  );
}

/** The stop where the engine does not hold any more what it is asked for, and nobody has settled it meanwhile. */
export function unavailable(from: bigint, received: bigint, oldest: bigint): StreamStopped {
  const expected = received + 1n;
  const what =
    oldest > expected
      ? `the engine does not have sequences ${expected} to ${oldest - 1n} any more, and they are not settled here: was ` +
        `the database restored to an earlier moment than the outbox keeps? Restore a newer one, or the outbox`
      : `the engine does not have sequence ${from} any more, with which its stream is compared before it goes on: is its ` +
        `outbox new? If you know that ${oldest} continues this very stream, start the ingest once without --control`;
  return new StreamStopped({
    reason: 'hole',
    sequence: expected.toString(),
    expected: expected.toString(),
    stated: oldest.toString(),
    message: `${what}. Nothing from ${expected} on is settled`,
  });
}
