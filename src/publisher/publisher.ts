/**
 * The engine's side of the wire. An event is published when it stands in the outbox, on disk; sending it is the publisher's
 * business from then on, as often as it takes: to whoever connects, in order, and again from where an ingest asks for it
 * after a restart on either side. Nothing is forgotten that is not known to be settled.
 *
 * That the PUSH socket has taken a message means nothing: it may be lost with the connection. What a new peer gets begins
 * wherever the sending is; an ingest drops what does not continue its stream and asks for the place where it does. So no
 * message has to be called back, and a message that comes twice is compared, not settled twice (I6).
 */
import { RefusedPeers } from '../curve/refused.ts';
import type { RefusedPeer } from '../curve/sockets.ts';
import { Seldom } from '../logging/seldom.ts';
import { decodeMessage } from '../wire/decode.ts';
import type { ControlAnswer, ControlMessage, UnavailableMessage } from '../wire/control.ts';
import { TOPIC } from '../wire/message.ts';
import { faultLines } from '../wire/reasons.ts';
import { Appender } from './appender.ts';
import { ControlServer } from './control-server.ts';
import { InvalidEventError, NumberingError } from './errors.ts';
import { encodeNumbered, statedNumber, type PublishedEvent } from './numbering.ts';
import { boundsOf, type NoticeKind, type PublisherOptions } from './options.ts';
import { Outbox, type HeldEvent } from './outbox.ts';
import { PushPublisher } from './push.ts';
import { OutboxRoom } from './room.ts';
import { Sender } from './sender.ts';

const TOPIC_FRAME = Buffer.from(TOPIC);
const CONTEXT = { receivedAtMs: 0, divisorOf: () => 1n };
/** A peer that has not asked for anything within this time is one that cannot ask. */
const ASKING_MS_MAX = 2_000;
const TRIM_MS_MIN = 1_000;
const TRIM_MS_MAX = 60_000;

/** How far a publisher is. */
export interface PublisherStatus {
  /** The last number that is in the outbox. */
  readonly last: bigint;
  /** Up to here everything is known to be settled. */
  readonly settledUpTo: bigint;
  /** The oldest event that can be sent again. */
  readonly oldest: bigint;
  /** The number that is sent next. */
  readonly cursor: bigint;
  /** Events and bytes in the outbox. */
  readonly events: number;
  readonly bytes: number;
  /** Publishes that wait for the disk or for room. */
  readonly waiting: number;
  /** Messages that the socket has taken since the start, repeated ones included. */
  readonly sent: number;
  /** How often an ingest asked for the stream again. */
  readonly resumes: number;
  /** Ingests connected to the PUSH socket. */
  readonly peers: number;
  /** Peers that were refused, on both sockets. */
  readonly peersRefused: number;
}

/** Publishes one stream. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #outbox: Outbox;
  readonly #refused: RefusedPeers;
  readonly #room: OutboxRoom;
  readonly #push: PushPublisher;
  readonly #sender: Sender;
  readonly #appender: Appender;
  readonly #trimming: NodeJS.Timeout;
  #control: ControlServer | undefined;
  #resumes = 0;
  #unasked: NodeJS.Timeout | undefined;
  /** Most of what is told of a peer can make happen as often as it likes. */
  readonly #seldom = new Seldom<NoticeKind>();
  readonly #settledWaiters = new Set<() => void>();
  #closing: Promise<void> | undefined;

  private constructor(options: PublisherOptions, outbox: Outbox, push: PushPublisher, refused: RefusedPeers) {
    const bounds = boundsOf(options);
    this.#options = options;
    this.#refused = refused;
    this.#room = new OutboxRoom(outbox, bounds, options.whenFull ?? 'wait', (text) => {
      this.#tell('grace-cut', text);
    });
    this.#outbox = outbox;
    this.#push = push;
    this.#appender = new Appender({
      outbox,
      room: () => this.#room.make(),
      appended: () => {
        this.#sender.wake();
      },
    });
    this.#sender = new Sender({
      cursor: this.#unknown,
      last: () => outbox.last,
      read: (from, eventsMax) => outbox.read(from, eventsMax),
      push: (data) => push.publish([TOPIC_FRAME, data]),
      missing: (cursor, oldest) => {
        this.#tell(
          'unavailable',
          `sequence ${cursor} was trimmed while it was sent again; ${oldest} follows`,
        );
      },
      failed: (error) => {
        this.#tell('outbox-failed', `sending from the outbox failed, and is tried again: ${String(error)}`);
      },
    });
    const trimMs = Math.min(Math.max(bounds.graceMs / 64, TRIM_MS_MIN), TRIM_MS_MAX);
    this.#trimming = setInterval(() => void this.#trim(), trimMs).unref();
  }

  /**
   * Opens outbox and sockets. What is in the outbox and not known to be settled is sent to whoever connects.
   *
   * @throws OutboxOpenError, PublisherOpenError, or RangeError for bounds that make no sense
   */
  static async open(options: PublisherOptions): Promise<Publisher> {
    const bounds = boundsOf(options);
    const { stream, endpoint, controlEndpoint, connect = false, firstSequence } = options;
    const outbox = await Outbox.open({
      folder: options.outbox,
      stream,
      graceMs: bounds.graceMs,
      ...(firstSequence === undefined ? {} : { firstSequence }),
    });
    let publisher: Publisher | undefined;
    const refused = refusedPeers(options);
    const curve = options.curve && {
      ...options.curve,
      onRefused: (peer: RefusedPeer): void => {
        refused.note(peer);
      },
    };
    try {
      const push = await PushPublisher.open({
        endpoint,
        connect,
        curve,
        // What is queued for a peer that is gone stands in the outbox.
        lingerMs: 0,
        sendHighWaterMark: options.sendHighWaterMark ?? 1_000,
        onConnect: () => {
          if (publisher) publisher.#peerCame();
        },
        onDisconnect: () => {
          if (publisher)
            publisher.#tell(
              'peer-lost',
              'an ingest is gone; what it had not taken is sent again when one asks',
            );
        },
      });
      const opened = new Publisher(options, outbox, push, refused);
      publisher = opened;
      try {
        opened.#control = await ControlServer.open({
          endpoint: controlEndpoint,
          connect,
          curve,
          onMessage: (message) => opened.#hear(message),
          onFault: (decoded) => {
            const what =
              decoded.kind === 'unknown' ? `type ${decoded.type}` : faultLines(decoded.faults).join('; ');
            opened.#tell('bad-control', `a control message was passed over: ${what}`);
          },
        });
      } catch (error) {
        await opened.close();
        throw error;
      }
      return opened;
    } catch (error) {
      await outbox.close();
      throw error;
    }
  }

  /** Where the PUSH socket is. */
  get endpoint(): string {
    return this.#push.endpoint;
  }

  /** Where the control socket is. */
  get controlEndpoint(): string {
    return this.#control?.endpoint ?? this.#options.controlEndpoint;
  }

  /** How far it is. */
  get status(): PublisherStatus {
    const { last, settledUpTo, oldest, events, bytes } = this.#outbox;
    const waiting = this.#appender.waiting.events;
    const { cursor, sent } = this.#sender;
    const sending = { cursor, sent, resumes: this.#resumes };
    const peers = this.#push.peersSeen - this.#push.peersLost;
    const peersRefused = this.#refused.total;
    return { last, settledUpTo, oldest, events, bytes, waiting, ...sending, peers, peersRefused };
  }

  /**
   * Publishes the next event of the stream. It gets the next number, or states it: one that does not continue the stream is
   * refused. The number is taken at the call, so calls need not wait for each other; those made together share a sync.
   *
   * @param event its fields, with or without its number; or the JSON of its message, with it
   * @returns its number, once the event is synced to disk: from then on it survives this process and the machine's, and is
   *   sent until it is settled. It says nothing about whether anybody has received it
   * @throws NumberingError, InvalidEventError, OutboxFullError, TooManyWaitingError, PublisherClosedError: nothing was
   *   written, the number is still free. OutboxWriteError: it is not known whether it was
   */
  async publish(event: PublishedEvent | Uint8Array): Promise<bigint> {
    this.#appender.requireOpen();
    const { next } = this.#appender;
    if (!(event instanceof Uint8Array)) {
      const stated = statedNumber(event);
      if (stated !== undefined && stated !== next) throw new NumberingError(next, stated);
    }
    const data = event instanceof Uint8Array ? Buffer.from(event) : encodeNumbered(event, next);
    const decoded = decodeMessage([TOPIC_FRAME, data], 'numbered', CONTEXT);
    if (decoded.kind === 'rejected') throw new InvalidEventError(decoded.faults);
    if (decoded.event.sequence !== next) throw new NumberingError(next, decoded.event.sequence);
    this.#room.claim(next, data.length, this.#appender.waiting);
    return this.#appender.add(data);
  }

  /** Events of the outbox from a number on, at most so many: those before `status.oldest` are not there any more. */
  read(from: bigint, eventsMax: number): Promise<HeldEvent[]> {
    return this.#outbox.read(from, eventsMax);
  }

  /** Resolves when more is known to be settled than at the call, or after a time. */
  settledAdvance(msMax: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        // Whoever asks again and again while nothing settles must leave nothing behind.
        this.#settledWaiters.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, msMax);
      this.#settledWaiters.add(wake);
    });
  }

  /** Closes sockets and outbox. Publishes that wait are refused; all that is in the outbox is sent by its next opening. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#trimming);
    clearTimeout(this.#unasked);
    await this.#appender.close();
    await this.#control?.close();
    const stopped = this.#sender.stop();
    await this.#push.close();
    await stopped;
    await this.#outbox.close();
  }

  /** The first event that no one is known to have. */
  get #unknown(): bigint {
    const { settledUpTo, oldest } = this.#outbox;
    return settledUpTo < oldest ? oldest : settledUpTo + 1n;
  }

  /** What others were sent, this one may not have. It asks; one that can't is sent all that is not known to be settled. */
  #peerCame(): void {
    if (this.#sender.cursor === this.#unknown) return;
    clearTimeout(this.#unasked);
    this.#unasked = setTimeout(() => {
      this.#tell('resumed', `an ingest came and did not ask; sending again from sequence ${this.#unknown}`);
      this.#sender.rewind(this.#unknown);
    }, ASKING_MS_MAX).unref();
  }

  async #hear(message: ControlMessage): Promise<ControlAnswer | undefined> {
    if (message.type === 'unavailable' || message.type === 'old-lease') {
      this.#tell('bad-control', `an ingest sent "${message.type}", which only engines send`);
      return undefined;
    }
    const { stream, lease, type } = message;
    if (stream !== this.#options.stream) {
      this.#tell('other-stream', `${type} for stream ${stream} was ignored: this is ${this.#options.stream}`);
      return undefined;
    }
    if (lease < this.#outbox.lease) {
      const text = `${type} of lease ${lease} was ignored: lease ${this.#outbox.lease} has taken the stream over`;
      this.#tell('old-lease', text);
      // It may be the newest all the same, by a database that was restored to an earlier moment: then it takes a higher one.
      return { type: 'old-lease', lease: this.#outbox.lease };
    }
    try {
      await this.#outbox.see(lease);
      if (message.type === 'settled') await this.#settled(message.upTo);
      else return this.#resume(message.from);
    } catch (error) {
      this.#tell('outbox-failed', `the outbox failed at ${type}: ${String(error)}`);
    }
    return undefined;
  }

  async #settled(upTo: bigint): Promise<void> {
    if (!(await this.#outbox.settle(upTo))) {
      const text = `settled up to ${upTo} was ignored: only up to ${this.#outbox.last} was ever published here`;
      this.#tell('beyond', text);
      return;
    }
    this.#appender.wake();
    for (const wake of this.#settledWaiters) wake();
  }

  #resume(from: bigint): UnavailableMessage | undefined {
    const { oldest, last } = this.#outbox;
    clearTimeout(this.#unasked);
    this.#resumes += 1;
    if (from < oldest) {
      this.#tell('unavailable', `sequence ${from} was asked for; the oldest that is still here is ${oldest}`);
      return { type: 'unavailable', oldest };
    }
    if (from > last && from > 1n) {
      // An ingest asks from what it has received, or from 1: what this one has published is something else, or less. All of
      // it is sent, so that the ingest can compare, and say what differs.
      this.#tell('beyond', `sequence ${from} was asked for, but only up to ${last} was ever published here`);
      this.#sender.rewind(oldest, this.status.peers);
      return undefined;
    }
    // One that just asks whether there is more, after all was sent, is no news.
    if (from < last || this.#sender.cursor <= last)
      this.#tell('resumed', `sending again from sequence ${from}`);
    this.#sender.rewind(from, this.status.peers);
    return undefined;
  }

  async #trim(): Promise<void> {
    try {
      await this.#outbox.trimExpired();
    } catch (error) {
      this.#tell('outbox-failed', `the outbox could not be trimmed: ${String(error)}`);
    }
  }

  #tell(kind: NoticeKind, text: string): void {
    const untold = this.#seldom.note(kind);
    if (untold === undefined) return;
    const more = untold === 0 ? '' : ` (${untold} more of this kind were not told of)`;
    this.#options.onNotice?.({ kind, text: `${text}${more}` });
  }
}

function refusedPeers({ onNotice }: PublisherOptions): RefusedPeers {
  return new RefusedPeers(({ kind, key, address }, total) => {
    const who = key === undefined ? address : `${address} with key ${key}`;
    onNotice?.({ kind: 'peer-refused', text: `a peer was refused (${kind}, ${total} in all): ${who}` });
  });
}
