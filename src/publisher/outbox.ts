/**
 * The outbox: what an engine has published and may have to send again, on disk (LevelDB), by number without a hole. An
 * append resolves when it is synced. What is settled is trimmed after a grace period, always keeping the event at the
 * watermark itself, with which an ingest that starts again compares (I1b). It never forgets what is not known to be settled.
 */
import { ClassicLevel } from 'classic-level';
import { mkdir } from 'node:fs/promises';
import { reasonOf } from '../logging/reason-of.ts';
import { OutboxOpenError } from './errors.ts';
import {
  bytesBefore,
  EVENT,
  keyOf,
  MARK,
  META,
  number64,
  readState,
  TOTAL_BYTES,
  type OutboxDatabase,
  type OutboxState,
} from './outbox-state.ts';

/** How an outbox is opened. */
export interface OutboxOptions {
  readonly folder: string;
  /** Whose events it holds; an outbox never changes hands. */
  readonly stream: string;
  /** The first number of a stream whose outbox is new. @default 1n */
  readonly firstSequence?: bigint;
  /** How long what is settled is kept, ms. */
  readonly graceMs: number;
  /** ms since the epoch. @default Date.now */
  readonly now?: () => number;
}

/** An event as it is held: its number, and the JSON of its message. */
export interface HeldEvent {
  readonly sequence: bigint;
  readonly data: Buffer;
}

/** Times are noted so much coarser than the grace period: so many marks there are, about. */
const MARKS_PER_GRACE = 64;
const MARK_MS_MIN = 1_000;

/** One open outbox. */
export class Outbox {
  readonly #db: OutboxDatabase;
  readonly #graceMs: number;
  readonly #now: () => number;
  #oldest: bigint;
  #last: bigint;
  /** Bytes of all events ever appended, and of those that are trimmed. */
  #total: bigint;
  #trimmed: bigint;
  #settledUpTo: bigint;
  /** Bytes of all events up to there. */
  #settledTotal: bigint;
  #lease: bigint;
  /** Watermarks with the latest time at which each was heard of, ascending; the last is still open. */
  #marks: OutboxState['marks'];

  private constructor(db: OutboxDatabase, options: OutboxOptions, state: OutboxState) {
    this.#db = db;
    this.#graceMs = options.graceMs;
    this.#now = options.now ?? Date.now;
    this.#oldest = state.oldest;
    this.#last = state.last;
    this.#total = state.total;
    this.#trimmed = state.trimmed;
    this.#settledUpTo = state.settledUpTo;
    this.#settledTotal = state.settledTotal;
    this.#lease = state.lease;
    this.#marks = state.marks;
  }

  /** Opens it, or makes a new one. Throws {@link OutboxOpenError}. */
  static async open(options: OutboxOptions): Promise<Outbox> {
    const { folder, stream } = options;
    let db: OutboxDatabase;
    try {
      await mkdir(folder, { recursive: true });
      db = new ClassicLevel<Buffer, Buffer>(folder, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
      await db.open();
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const isLocked = (cause as NodeJS.ErrnoException).code === 'LEVEL_LOCKED';
      const reason = reasonOf(cause);
      throw new OutboxOpenError(
        folder,
        isLocked ? 'another process has it open: an outbox has one engine' : reason,
        error,
      );
    }
    try {
      return new Outbox(db, options, await readState(db, folder, stream, options.firstSequence ?? 1n));
    } catch (error) {
      await db.close();
      if (error instanceof OutboxOpenError) throw error;
      throw new OutboxOpenError(folder, reasonOf(error), error);
    }
  }

  /** The number of the last event, or the one before the first where there is none. */
  get last(): bigint {
    return this.#last;
  }

  /** The oldest event that is held, `last + 1` where there is none. */
  get oldest(): bigint {
    return this.#oldest;
  }

  /** Up to here everything is known to be settled. It never goes back. */
  get settledUpTo(): bigint {
    return this.#settledUpTo;
  }

  /** The newest fencing number that was heard of. */
  get lease(): bigint {
    return this.#lease;
  }

  /** How many events it holds. */
  get events(): number {
    return Number(this.#last - this.#oldest + 1n);
  }

  /** Bytes of the messages that it holds. */
  get bytes(): number {
    return Number(this.#total - this.#trimmed);
  }

  /** Events that are not known to be settled, and the bytes of their messages. */
  get unsettled(): { readonly events: number; readonly bytes: number } {
    const first = this.#settledUpTo < this.#oldest ? this.#oldest : this.#settledUpTo + 1n;
    return { events: Number(this.#last - first + 1n), bytes: Number(this.#total - this.#settledTotal) };
  }

  /** Appends the next events, in order, as a whole. Resolves with the last number when they are synced to disk. */
  async append(datas: readonly Buffer[]): Promise<bigint> {
    let sequence = this.#last;
    let total = this.#total;
    const batch = datas.map((data) => {
      sequence += 1n;
      total += BigInt(data.length);
      const head = Buffer.alloc(TOTAL_BYTES);
      head.writeBigUInt64BE(total);
      return {
        type: 'put' as const,
        key: keyOf(EVENT, sequence),
        value: Buffer.concat([head, data]),
      };
    });
    await this.#db.batch(batch, { sync: true });
    this.#last = sequence;
    this.#total = total;
    return sequence;
  }

  /** Events from a number on, in order, at most so many; fewer, or none, only where the outbox ends. */
  async read(from: bigint, eventsMax: number): Promise<HeldEvent[]> {
    const rows = await this.#db
      .iterator({ gte: keyOf(EVENT, from), lte: keyOf(EVENT, this.#last), limit: eventsMax })
      .all();
    return rows.map(([key, value]) => ({
      sequence: key.readBigUInt64BE(1),
      data: value.subarray(TOTAL_BYTES),
    }));
  }

  /**
   * Notes that everything up to a number is settled. A lower one than is known changes nothing.
   *
   * @returns false if that number was never appended: then nothing is noted
   */
  async settle(upTo: bigint): Promise<boolean> {
    if (upTo > this.#last) return false;
    // Of what it never held, since it began later, nothing is noted.
    if (upTo <= this.#settledUpTo || upTo < this.#oldest) return true;
    const value = await this.#db.get(keyOf(EVENT, upTo));
    if (!value) throw new Error(`the outbox has no event ${upTo}: it is damaged`);
    if (upTo <= this.#settledUpTo) return true;
    this.#settledUpTo = upTo;
    this.#settledTotal = value.readBigUInt64BE();
    const timeMs = this.#now();
    let mark = this.#marks.at(-1);
    const replaced: bigint[] = [];
    if (!mark || timeMs - mark.openedMs >= Math.max(this.#graceMs / MARKS_PER_GRACE, MARK_MS_MIN)) {
      mark = { upTo, openedMs: timeMs, timeMs };
      this.#marks.push(mark);
    } else {
      replaced.push(mark.upTo);
      mark.upTo = upTo;
      mark.timeMs = timeMs;
    }
    // Not synced: should it be lost, more is sent again and kept for longer than need be.
    await this.#db.batch([
      ...replaced.map((key) => ({ type: 'del' as const, key: keyOf(MARK, key) })),
      { type: 'put', key: keyOf(MARK, upTo), value: number64(BigInt(timeMs)) },
      { type: 'put', key: META.settled, value: number64(upTo) },
    ]);
    return true;
  }

  /**
   * Notes a fencing number, synced, so that one that was replaced is not heard after a restart either. One call at a time.
   * Where it fails, nothing is noted: the next message of that lease is not listened to either before it stands on disk.
   */
  async see(lease: bigint): Promise<void> {
    if (lease <= this.#lease) return;
    await this.#db.put(META.lease, number64(lease), { sync: true });
    this.#lease = lease;
  }

  /** Trims what has been settled for longer than the grace period. Returns how many events went. */
  async trimExpired(): Promise<number> {
    const expiredMs = this.#now() - this.#graceMs;
    const expired = this.#marks.filter(({ timeMs }) => timeMs <= expiredMs);
    const newest = expired.at(-1);
    if (!newest) return 0;
    const trimmed = await this.#trimBelow(newest.upTo + 1n);
    this.#marks = this.#marks.slice(expired.length);
    await this.#db.batch(expired.map(({ upTo }) => ({ type: 'del', key: keyOf(MARK, upTo) })));
    return trimmed;
  }

  /** Trims settled events before their time, the oldest first, at most so many. Returns how many events went. */
  trimOldest(eventsMax: number): Promise<number> {
    return this.#trimBelow(this.#oldest + BigInt(eventsMax));
  }

  /** Trims below a number, but never the event at the watermark, nor what follows it. */
  async #trimBelow(sequence: bigint): Promise<number> {
    const end = sequence < this.#settledUpTo ? sequence : this.#settledUpTo;
    if (end <= this.#oldest) return 0;
    const value = await this.#db.get(keyOf(EVENT, end));
    if (!value) throw new Error(`the outbox has no event ${end}: it is damaged`);
    const from = this.#oldest;
    if (end <= from) return 0; // another trim was quicker
    const trimmed = Number(end - from);
    // First of all, so that nobody is promised what is about to go.
    this.#oldest = end;
    this.#trimmed = bytesBefore(value);
    await this.#db.clear({ gte: keyOf(EVENT, from), lt: keyOf(EVENT, end) });
    return trimmed;
  }

  /** Closes it. */
  async close(): Promise<void> {
    await this.#db.close();
  }
}
