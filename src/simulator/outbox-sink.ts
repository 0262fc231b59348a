/**
 * Feeds a stream into a publisher. A simulated engine that is started again makes the same stream from its beginning, so
 * what the outbox has already is not published again, but compared as far as it is still there: another stream under the
 * same numbers is refused.
 */
import type { HeldEvent, PublisherStatus } from '../publisher/index.ts';
import type { Frames } from '../publisher/push.ts';
import type { Sink } from './send.ts';

/** Publishes under way at once: they share syncs. */
const WINDOW = 512;
const PAGE_EVENTS = 256;

/** What is needed of a publisher. */
export interface OutboxPublisher {
  readonly status: Pick<PublisherStatus, 'last' | 'oldest'>;
  publish(data: Uint8Array): Promise<bigint>;
  read(from: bigint, eventsMax: number): Promise<readonly HeldEvent[]>;
}

/** The outbox holds another stream than the one that is sent. */
export class OtherStreamError extends Error {
  override readonly name = 'OtherStreamError';

  constructor(folder: string, sequence: bigint) {
    super(
      `the outbox ${folder} holds another message under sequence ${sequence} than this stream has: it belongs to another ` +
        'simulation. Give this one a folder of its own (--outbox), or remove that one if nobody needs it any more',
    );
  }
}

/** Publishes what the outbox does not have. */
export class OutboxSink implements Sink {
  /** Messages that the outbox had already. */
  again = 0;
  readonly #publisher: OutboxPublisher;
  readonly #folder: string;
  readonly #last: bigint;
  readonly #underWay: Promise<unknown>[] = [];
  #page: readonly HeldEvent[] = [];

  constructor(publisher: OutboxPublisher, folder: string) {
    this.#publisher = publisher;
    this.#folder = folder;
    this.#last = publisher.status.last;
  }

  /** Resolves when there is room for more; {@link flush} says when all is on disk. */
  async publish(frames: Frames, sequence: bigint | undefined): Promise<void> {
    if (sequence !== undefined && this.isPublished(sequence)) {
      await this.#compare(frames[1], sequence);
      this.again += 1;
      return;
    }
    const publishing = this.#publisher.publish(frames[1]);
    // Awaited below, or by flush.
    publishing.catch(() => undefined);
    this.#underWay.push(publishing);
    if (this.#underWay.length >= WINDOW) await this.#underWay.shift();
  }

  /** True: the outbox had this number when it was opened. */
  isPublished(sequence: bigint | undefined): boolean {
    return sequence !== undefined && sequence <= this.#last;
  }

  /** Resolves when all that was published is on disk. */
  async flush(): Promise<void> {
    await Promise.all(this.#underWay.splice(0));
  }

  async #compare(data: Buffer, sequence: bigint): Promise<void> {
    if (sequence < this.#publisher.status.oldest) return;
    const end = this.#page.at(-1)?.sequence;
    if (end === undefined || end < sequence) this.#page = await this.#publisher.read(sequence, PAGE_EVENTS);
    const first = this.#page[0]?.sequence ?? sequence;
    const held = this.#page[Number(sequence - first)];
    // It may have been trimmed meanwhile: then it is not there to be compared.
    if (held?.sequence === sequence && !held.data.equals(data))
      throw new OtherStreamError(this.#folder, sequence);
  }
}
