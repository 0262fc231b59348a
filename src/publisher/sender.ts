/**
 * Sends the outbox, from a cursor on, in order, and again from an earlier place when asked to. It reads what it sends from
 * the disk, page by page: what is not synced is never sent, and a peer that does not read costs no memory.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { HeldEvent } from './outbox.ts';

const PAGE_EVENTS = 256;
const RETRY_MS = 1_000;
const COPIED_MESSAGES = 2n;
const COPIES_MAX = 8;

/** What a sender needs. */
export interface SenderOptions {
  /** The first number to send. */
  readonly cursor: bigint;
  /** The last number that may be sent. */
  last(): bigint;
  read(from: bigint, eventsMax: number): Promise<readonly HeldEvent[]>;
  /** Hands a message to the transport; waits while that takes none. */
  push(data: Buffer): Promise<void>;
  /** Told when what is next in turn is not there any more; it goes on with the oldest that is. */
  missing(cursor: bigint, oldest: bigint): void;
  /** Told when reading or handing over failed; it is tried again after a moment. */
  failed(error: unknown): void;
}

/** Sends one outbox. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #done: Promise<void>;
  #cursor: bigint;
  /** Grows with each rewinding, so that a page that was begun before is not gone on with. */
  #turn = 0;
  /** Messages below `#copied` are sent so often. */
  #copies = 1;
  #copied = 0n;
  #wake: () => void = () => undefined;
  #stopped = false;
  #sent = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#cursor = options.cursor;
    this.#done = this.#run();
  }

  /** The number that is sent next. */
  get cursor(): bigint {
    return this.#cursor;
  }

  /** Messages that the transport has taken, repeated ones included. */
  get sent(): number {
    return this.#sent;
  }

  /** There may be more to send. */
  wake(): void {
    this.#wake();
  }

  /**
   * Goes on with another number, after the message that is being handed over.
   *
   * @param peers how many the transport has, which get its messages in turn. The first two messages are sent once for each: one
   *   of the peers may be an ingest that was stopped and reads no more, and if each answer led to the same turns, the same
   *   messages could go there every time. So whoever reads gets the first, to compare, and the next
   */
  rewind(cursor: bigint, peers = 1): void {
    this.#cursor = cursor;
    this.#copies = Math.min(Math.max(peers, 1), COPIES_MAX);
    this.#copied = cursor + COPIED_MESSAGES;
    this.#turn += 1;
    this.#wake();
  }

  /** Sends nothing more. The transport must be closed, or take the message that is being handed over. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    return this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      if (this.#cursor > this.#options.last()) await this.#more();
      else await this.#tryPage();
    }
  }

  async #tryPage(): Promise<void> {
    try {
      await this.#page();
    } catch (error) {
      if (this.#stopped) return;
      this.#options.failed(error);
      await sleep(RETRY_MS);
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #page(): Promise<void> {
    const turn = this.#turn;
    const events = await this.#options.read(this.#cursor, PAGE_EVENTS);
    for (const { sequence, data } of events) {
      if (this.#stopped || turn !== this.#turn) return;
      if (sequence !== this.#cursor) {
        this.#options.missing(this.#cursor, sequence);
        this.#cursor = sequence;
        return;
      }
      for (let left = sequence < this.#copied ? this.#copies : 1; left > 0; left -= 1) {
        await this.#options.push(data);
        this.#sent += 1;
        if (turn !== this.#turn) return;
      }
      this.#cursor = sequence + 1n;
    }
  }
}
