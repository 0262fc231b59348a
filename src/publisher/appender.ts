/**
 * Group sync: publishes that come while the disk is busy are appended together, with one sync for all of them. Events wait
 * here in order for the disk and for room; that a bounded number may wait at all is the publisher's business.
 */
import { OutboxWriteError, PublisherClosedError } from './errors.ts';
import type { Outbox } from './outbox.ts';

const GROUP_EVENTS_MAX = 1_000;
const GROUP_BYTES_MAX = 1024 * 1024;

/** What an appender needs. */
export interface AppenderOptions {
  readonly outbox: Outbox;
  /** How many events and bytes may be appended now. Asked before each group. */
  room(): Promise<{ readonly events: number; readonly bytes: number }>;
  /** Told when events were appended. */
  appended(): void;
}

interface Waiting {
  readonly sequence: bigint;
  readonly data: Buffer;
  resolve(sequence: bigint): void;
  reject(error: Error): void;
}

interface Group {
  readonly events: number;
  readonly bytes: number;
  readonly last: bigint;
}
const NO_GROUP: Group = { events: 0, bytes: 0, last: 0n };

/** Appends to an outbox in groups. */
export class Appender {
  readonly #options: AppenderOptions;
  #waiting: Waiting[] = [];
  #bytes = 0;
  /** What is being written; the outbox counts it once it is synced. */
  #group = NO_GROUP;
  #next: bigint;
  #pumping: Promise<void> | undefined;
  #isWoken = false;
  #ended: Error | undefined;

  constructor(options: AppenderOptions) {
    this.#options = options;
    this.#next = options.outbox.last + 1n;
  }

  /** The number that the next event gets. */
  get next(): bigint {
    return this.#next;
  }

  /** Events that wait or are being written, and the bytes of their messages: all that the outbox does not count yet. */
  get waiting(): { readonly events: number; readonly bytes: number } {
    const { events, bytes } = this.#group.last > this.#options.outbox.last ? this.#group : NO_GROUP;
    return { events: events + this.#waiting.length, bytes: bytes + this.#bytes };
  }

  /** Throws if nothing more is taken: after {@link close}, and after a write that failed. */
  requireOpen(): void {
    if (this.#ended) throw new PublisherClosedError(this.#ended.message);
  }

  /** Takes the next event. Resolves with its number when it is synced to disk. */
  add(data: Buffer): Promise<bigint> {
    const sequence = this.#next;
    this.#next += 1n;
    this.#bytes += data.length;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ sequence, data, resolve, reject });
      this.wake();
    });
  }

  /** There may be room. */
  wake(): void {
    this.#isWoken = true;
    if (this.#waiting.length === 0 || this.#ended || this.#pumping) return;
    this.#pumping = this.#pump();
  }

  /** Takes nothing more; what waits is refused. Resolves when nothing is being written. */
  async close(): Promise<void> {
    this.#ended ??= new PublisherClosedError();
    this.#refuseAll(this.#ended);
    await this.#pumping;
  }

  async #pump(): Promise<void> {
    // A moment, so that publishes made together are appended together.
    await Promise.resolve();
    // Room that is made while it is being looked for must not be missed.
    while (this.#isWoken && this.#waiting.length > 0 && !this.#ended) {
      this.#isWoken = false;
      try {
        const group = this.#take(await this.#options.room());
        if (group.length === 0) continue;
        this.#isWoken = true;
        await this.#append(group);
      } catch (error) {
        this.#ended = error instanceof Error ? error : new Error(String(error));
        this.#refuseAll(this.#ended);
      }
    }
    this.#pumping = undefined;
  }

  async #append(group: readonly Waiting[]): Promise<void> {
    const bytes = group.reduce((sum, { data }) => sum + data.length, 0);
    this.#group = { events: group.length, bytes, last: group.at(-1)!.sequence };
    try {
      await this.#options.outbox.append(group.map(({ data }) => data));
    } catch (cause) {
      const error = new OutboxWriteError(group[0]!.sequence, group.at(-1)!.sequence, cause);
      this.#group = NO_GROUP;
      for (const one of group) one.reject(error);
      throw error;
    }
    this.#group = NO_GROUP;
    for (const one of group) one.resolve(one.sequence);
    this.#options.appended();
  }

  #take(room: { readonly events: number; readonly bytes: number }): Waiting[] {
    const eventsMax = Math.min(room.events, GROUP_EVENTS_MAX);
    const bytesMax = Math.min(room.bytes, GROUP_BYTES_MAX);
    let bytes = 0;
    let count = 0;
    for (const { data } of this.#waiting) {
      if (count >= eventsMax || bytes + data.length > bytesMax) break;
      bytes += data.length;
      count += 1;
    }
    this.#bytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  #refuseAll(error: Error): void {
    for (const one of this.#waiting.splice(0)) one.reject(error);
    this.#bytes = 0;
  }
}
