/**
 * Room in an outbox. What is not known to be settled is bounded, and holds the engine up or is refused beyond that; what
 * is settled and only kept for its grace period gives way, the oldest first, so that the whole stays within the bounds too
 * (but for the event at the watermark, which is always kept).
 */
import { MESSAGE_BYTES_MAX } from '../wire/message.ts';
import { OutboxFullError, TooManyWaitingError } from './errors.ts';
import type { PublisherBounds } from './options.ts';
import type { Outbox } from './outbox.ts';

/** Where settled events give way, this share of the bound goes at once, so that not each event trims one. */
const CUT_SHARE = 1 / 64;

interface Amount {
  readonly events: number;
  readonly bytes: number;
}

/** Keeps an outbox within its bounds. */
export class OutboxRoom {
  readonly #outbox: Outbox;
  readonly #bounds: PublisherBounds;
  readonly #whenFull: 'wait' | 'refuse';
  readonly #onCut: (text: string) => void;

  constructor(
    outbox: Outbox,
    bounds: PublisherBounds,
    whenFull: 'wait' | 'refuse',
    onCut: (text: string) => void,
  ) {
    this.#outbox = outbox;
    this.#bounds = bounds;
    this.#whenFull = whenFull;
    this.#onCut = onCut;
  }

  /**
   * Asks for room for one more event beside those that wait.
   *
   * @throws TooManyWaitingError; OutboxFullError where the engine wants to be refused rather than to wait
   */
  claim(sequence: bigint, bytes: number, waiting: Amount): void {
    const { eventsMax, bytesMax, waitingMax } = this.#bounds;
    if (waiting.events >= waitingMax) throw new TooManyWaitingError(waiting.events);
    if (this.#whenFull === 'wait') return;
    const { unsettled, settledUpTo } = this.#outbox;
    const events = unsettled.events + waiting.events;
    const bytesHeld = unsettled.bytes + waiting.bytes;
    if (events < eventsMax && bytesHeld + bytes <= bytesMax) return;
    throw new OutboxFullError(sequence, `${events} events, ${bytesHeld} bytes`, settledUpTo);
  }

  /** How much may be appended now. Settled events give way first. */
  async make(): Promise<Amount> {
    const { eventsMax, bytesMax } = this.#bounds;
    if (this.#outbox.unsettled.events < eventsMax && this.#isTight) await this.#cut();
    const { unsettled, events, bytes } = this.#outbox;
    return {
      events: Math.max(Math.min(eventsMax - unsettled.events, eventsMax + 1 - events), 0),
      bytes: Math.max(Math.min(bytesMax - unsettled.bytes, bytesMax + MESSAGE_BYTES_MAX - bytes), 0),
    };
  }

  get #isTight(): boolean {
    const { events, bytes } = this.#outbox;
    return events >= this.#bounds.eventsMax || bytes + MESSAGE_BYTES_MAX > this.#bounds.bytesMax;
  }

  async #cut(): Promise<void> {
    const from = this.#outbox.oldest;
    const step = Math.ceil(this.#bounds.eventsMax * CUT_SHARE);
    while (this.#isTight) if ((await this.#outbox.trimOldest(step)) === 0) break;
    const to = this.#outbox.oldest - 1n;
    if (to >= from)
      this.#onCut(`the outbox is full: settled events ${from} to ${to} were trimmed before their time`);
  }
}
