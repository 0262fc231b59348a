/**
 * Writes lines of the stream log for one lease. The lease is looked at after the lines are acknowledged, so that none of
 * a former ingest goes on (I1b); one look serves all writes that were acknowledged before it began. Under load looks
 * keep a distance, since each is a lightweight transaction's read.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamLine } from '../ledger/stream-log.ts';
import { leaseEnded } from './lease-end.ts';
import { StreamStopped } from './stop.ts';

const LOOK_MS_MIN = 20;

/** What a writer needs of the database. */
export interface LineWriterOptions {
  readonly lease: bigint;
  writeLines(lines: readonly StreamLine[]): Promise<void>;
  /** The newest lease of the stream, linearizable. */
  readLease(): Promise<bigint>;
  /** Asked before anything is written: false where the lease ran out. @default always true */
  isHeld?(): boolean;
  /** Least time between the beginnings of two looks, ms. @default 20 */
  readonly lookMsMin?: number;
}

/** Writes lines while the lease is ours. */
export class LineWriter {
  readonly #options: LineWriterOptions;
  /** The look that has not begun yet: it begins when the one before it ends. */
  #next: Promise<bigint> | undefined;
  #current: Promise<unknown> = Promise.resolve();
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: LineWriterOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the lines are acknowledged, and the lease was still ours after that.
   *
   * @throws {@link StreamStopped} `lease-lost`; the database's errors
   */
  async write(lines: readonly StreamLine[]): Promise<void> {
    const { lease } = this.#options;
    if (!(this.#options.isHeld?.() ?? true))
      throw leaseEnded({ kind: 'expired', problem: undefined }, lease, lines[0]?.sequence ?? 0n);
    await this.#options.writeLines(lines);
    const newest = await this.#look();
    if (newest !== lease) throw leaseLost(lines[0]?.sequence ?? 0n, newest, lease);
  }

  #look(): Promise<bigint> {
    this.#next ??= this.#current.then(async () => {
      const earlyMs = this.#lookedAtMs + (this.#options.lookMsMin ?? LOOK_MS_MIN) - performance.now();
      if (earlyMs > 0) await sleep(earlyMs);
      this.#next = undefined;
      this.#lookedAtMs = performance.now();
      const look = this.#options.readLease();
      this.#current = look.catch(() => undefined);
      return look;
    });
    return this.#next;
  }
}

function leaseLost(sequence: bigint, newest: bigint, ours: bigint): StreamStopped {
  return new StreamStopped({
    reason: 'lease-lost',
    sequence: sequence.toString(),
    message: `another ingest took the stream over (lease ${newest}, ours is ${ours}): run one ingest a stream`,
  });
}
