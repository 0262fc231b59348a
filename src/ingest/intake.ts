/**
 * The intake: before an event is sent on, its line of the stream log and those of all lower sequences are acknowledged
 * at quorum (I1b). Lines are gathered while others are on their way; events are released strictly in order.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { sequenceBucket } from '../ledger/event-rows.ts';
import { LINES_PER_WRITE_MAX, type StreamLine } from '../ledger/stream-log.ts';

/** Writes at once. */
const WRITES_IN_FLIGHT_MAX = 16;
const RETRY_MS_FIRST = 100;
const RETRY_MS_MAX = 5_000;

interface Arrival<T> {
  readonly line: StreamLine;
  readonly item: T;
}

interface Write<T> {
  readonly arrivals: readonly Arrival<T>[];
  done: boolean;
}

/** How an intake writes and whom it hands on to. */
export interface IntakeOptions<T> {
  /** Writes lines of one bucket; resolves when they are acknowledged at quorum. */
  write(lines: readonly StreamLine[]): Promise<void>;
  /** Takes items whose lines, and all lower ones, are acknowledged; in order. */
  release(items: readonly T[]): void;
  /** Told when a write failed and is tried again. */
  onRetry?(error: unknown, first: bigint, last: bigint): void;
}

/** Writes lines and releases what they stand for. */
export class Intake<T> {
  readonly #options: IntakeOptions<T>;
  #gathered: Arrival<T>[] = [];
  /** Writes under way, in order of their sequences. */
  readonly #writes: Write<T>[] = [];
  #pumping = false;
  #closed = false;

  constructor(options: IntakeOptions<T>) {
    this.#options = options;
  }

  /** Takes the next event of the stream; sequences must come in order. */
  add(line: StreamLine, item: T): void {
    this.#gathered.push({ line, item });
    this.#pump();
  }

  /** Stops repeating writes that fail, so that a process can end while the database is away. */
  close(): void {
    this.#closed = true;
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      while (this.#gathered.length > 0 && this.#writes.length < WRITES_IN_FLIGHT_MAX) this.#start();
    });
  }

  #start(): void {
    const [first] = this.#gathered;
    if (!first) return;
    const bucket = sequenceBucket(first.line.sequence);
    let count = 1;
    while (count < LINES_PER_WRITE_MAX) {
      const next = this.#gathered[count];
      if (!next || sequenceBucket(next.line.sequence) !== bucket) break;
      count += 1;
    }
    const write: Write<T> = { arrivals: this.#gathered.splice(0, count), done: false };
    this.#writes.push(write);
    void this.#send(write);
  }

  async #send(write: Write<T>): Promise<void> {
    const lines = write.arrivals.map(({ line }) => line);
    for (let delayMs = RETRY_MS_FIRST; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      try {
        await this.#options.write(lines);
        break;
      } catch (error) {
        this.#options.onRetry?.(error, lines[0]?.sequence ?? 0n, lines.at(-1)?.sequence ?? 0n);
        if (this.#closed) return;
        await sleep(delayMs);
      }
    }
    write.done = true;
    while (this.#writes[0]?.done) {
      const released = this.#writes.shift();
      if (released) this.#options.release(released.arrivals.map(({ item }) => item));
    }
    this.#pump();
  }
}
