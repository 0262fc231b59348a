/**
 * Sends the outbox, from a cursor on, in order, and again from an earlier place when asked to. It reads what it sends from
 * the disk, page by page: what is not synced is never sent, and a peer that does not read costs no memory.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { HeldEvent } from './outbox.ts';

const PAGE_EVENTS = 256;
const RETRY_MS = 1_000;

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
  #isTwice = false;
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
   * @param isTwice true to send the first one twice
   */
  rewind(cursor: bigint, isTwice = false): void {
    this.#cursor = cursor;
    this.#isTwice = isTwice;
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
      await this.#options.push(data);
      this.#sent += 1;
      if (turn !== this.#turn) return;
      if (this.#isTwice) {
        this.#isTwice = false;
        return;
      }
      this.#cursor = sequence + 1n;
    }
  }
}
