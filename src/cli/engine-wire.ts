/**
 * The two ways in which the simulated engine sends: through the publisher, with an outbox on disk, and by a bare PUSH socket
 * as classic engines do. They differ in when the sending is over: when all is settled, or when all is handed over.
 */
import type { CurveOptions } from '../curve/sockets.ts';
import {
  OutboxFullError,
  OutboxOpenError,
  OutboxWriteError,
  InvalidEventError,
  NumberingError,
  Publisher,
  PublisherClosedError,
  PublisherOpenError,
  type PublisherNotice,
} from '../publisher/index.ts';
import { PushPublisher, type CloseOutcome, type Frames } from '../publisher/push.ts';
import { OtherStreamError, OutboxSink } from '../simulator/outbox-sink.ts';
import type { Sink } from '../simulator/send.ts';

/** A way of sending. */
export interface EngineWire extends Sink {
  readonly endpoint: string;
  readonly controlEndpoint: string | undefined;
  /** Waits until sending makes sense. Resolves with why it does not, or undefined. */
  begin(waitMs: number): Promise<string | undefined>;
  /** All that was published is on its way. */
  flush(): Promise<void>;
  /** Waits until the sending is over. Resolves with why it is not, or undefined. */
  finish(waitMs: number): Promise<string | undefined>;
  close(): Promise<unknown>;
  /** What a report tells of it. */
  outcome(): Readonly<Record<string, unknown>>;
}

/** What goes wrong in a foreseen way, and explains itself. */
export function isWireError(error: unknown): boolean {
  return [
    InvalidEventError,
    NumberingError,
    OtherStreamError,
    OutboxFullError,
    OutboxOpenError,
    OutboxWriteError,
    PublisherClosedError,
    PublisherOpenError,
  ].some((known) => error instanceof known);
}

const seconds = (ms: number): string => `${ms / 1000} s`;

/** A bare PUSH socket. */
export class PushWire implements EngineWire {
  readonly controlEndpoint = undefined;
  readonly #publisher: PushPublisher;
  #ending: CloseOutcome | undefined;

  private constructor(publisher: PushPublisher) {
    this.#publisher = publisher;
  }

  static async open(options: {
    readonly endpoint: string;
    readonly connect: boolean;
    readonly lingerMs: number;
    readonly curve?: CurveOptions | undefined;
    say(text: string): void;
  }): Promise<PushWire> {
    const publisher = await PushPublisher.open({
      ...options,
      onDisconnect: () => {
        options.say(
          'a peer was lost; messages that it had not taken are dropped, send again from its last number',
        );
      },
    });
    return new PushWire(publisher);
  }

  get endpoint(): string {
    return this.#publisher.endpoint;
  }

  async begin(waitMs: number): Promise<string | undefined> {
    if (await this.#publisher.waitForPeer(waitMs)) return undefined;
    return `no peer came to ${this.endpoint} within ${seconds(waitMs)}; nothing was sent`;
  }

  publish(frames: Frames): Promise<void> {
    return this.#publisher.publish(frames);
  }

  async flush(): Promise<void> {
    // A socket has taken what was published, or the publishing waits.
  }

  async finish(waitMs: number): Promise<string | undefined> {
    this.#ending = await this.#publisher.close();
    if (this.#ending === 'delivered') return undefined;
    return this.#ending === 'timed-out'
      ? `the peer did not take all messages within ${seconds(waitMs)}; those still queued were dropped`
      : 'the peer was lost before it had taken all messages; those still queued were dropped';
  }

  close(): Promise<unknown> {
    return this.#publisher.close();
  }

  outcome(): Readonly<Record<string, unknown>> {
    return { peersLost: this.#publisher.peersLost };
  }
}

/** A publisher with an outbox. */
export class OutboxWire implements EngineWire {
  readonly #publisher: Publisher;
  readonly #sink: OutboxSink;
  readonly #outbox: string;
  #peersLost = 0;

  private constructor(publisher: Publisher, outbox: string) {
    this.#publisher = publisher;
    this.#outbox = outbox;
    this.#sink = new OutboxSink(publisher, outbox);
  }

  static async open(options: {
    readonly stream: string;
    readonly outbox: string;
    readonly endpoint: string;
    readonly controlEndpoint: string;
    readonly connect: boolean;
    readonly firstSequence?: bigint;
    readonly curve?: CurveOptions | undefined;
    readonly eventsMax?: number;
    say(text: string): void;
  }): Promise<OutboxWire> {
    let onNotice: (notice: PublisherNotice) => void = () => undefined;
    const publisher = await Publisher.open({ ...options, onNotice: (notice) => onNotice(notice) });
    const wire = new OutboxWire(publisher, options.outbox);
    onNotice = ({ kind, text }) => {
      if (kind === 'peer-lost') wire.#peersLost += 1;
      options.say(text);
    };
    const { last, settledUpTo } = publisher.status;
    if (last > 0n)
      options.say(`the outbox ${options.outbox} has ${last} events, ${settledUpTo} known to be settled`);
    return wire;
  }

  get endpoint(): string {
    return this.#publisher.endpoint;
  }

  get controlEndpoint(): string {
    return this.#publisher.controlEndpoint;
  }

  async begin(): Promise<undefined> {
    // The outbox takes what is published, whoever is there.
    return undefined;
  }

  publish(frames: Frames, sequence: bigint | undefined): Promise<void> {
    return this.#sink.publish(frames, sequence);
  }

  isPublished(sequence: bigint | undefined): boolean {
    return this.#sink.isPublished(sequence);
  }

  flush(): Promise<void> {
    return this.#sink.flush();
  }

  /** Waits until all is settled, and no longer than a time without anything being settled. */
  async finish(waitMs: number): Promise<string | undefined> {
    let known = -1n;
    let knownMs = 0;
    for (;;) {
      const { settledUpTo, last, peers } = this.#publisher.status;
      if (settledUpTo >= last) return undefined;
      if (settledUpTo > known) {
        known = settledUpTo;
        knownMs = performance.now();
      }
      const leftMs = waitMs - (performance.now() - knownMs);
      if (leftMs <= 0) return this.#unsettled(waitMs, settledUpTo, last, peers);
      await this.#publisher.settledAdvance(leftMs);
    }
  }

  #unsettled(waitMs: number, settledUpTo: bigint, last: bigint, peers: number): string {
    const why =
      peers === 0
        ? `no ingest is connected to ${this.endpoint}`
        : `an ingest is connected, but tells nothing more on ${this.controlEndpoint}: was it started with --control, are a worker and its servers up, is a partition halted ("settled status")?`;
    return (
      `${settledUpTo} of ${last} events are known to be settled, and nothing more was for ${seconds(waitMs)}: ${why} ` +
      `All are in the outbox ${this.#outbox}: the same command goes on with them`
    );
  }

  close(): Promise<void> {
    return this.#publisher.close();
  }

  outcome(): Readonly<Record<string, unknown>> {
    const { settledUpTo, resumes, sent } = this.#publisher.status;
    return {
      peersLost: this.#peersLost,
      outbox: this.#outbox,
      settledUpTo: settledUpTo.toString(),
      resumes,
      /** Repeated ones included. */
      framesSent: sent,
      again: this.#sink.again,
    };
  }
}
