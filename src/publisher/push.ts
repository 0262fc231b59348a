/**
 * The engine's end of the wire: a PUSH socket that hands frames to whoever settles them, in order, and waits when the
 * other side does not keep up. Closing waits, up to a bound, until what is queued has been handed over, and says whether
 * it was: a PUSH socket drops what a lost peer had not taken, so only an outbox (a later part of this folder) makes that good.
 */

import { Push } from 'zeromq';
import { watchPeers } from '../curve/peers.ts';
import { KEEPALIVE, openSocket, type EngineSocketOptions } from './sockets.ts';

export { PublisherOpenError } from './sockets.ts';

/** Topic and JSON of one message. */
export type Frames = readonly [Buffer, Buffer];

export interface PushPublisherOptions extends EngineSocketOptions {
  /** Messages queued for a peer at most; beyond it `publish` waits. @default 1000 */
  readonly sendHighWaterMark?: number;
  /** How long `close` may wait for queued messages to be handed over. @default 30 000 */
  readonly lingerMs?: number;
  /** Called for each peer that completed the handshake. */
  readonly onConnect?: () => void;
  /** Called for each peer that was lost. */
  readonly onDisconnect?: () => void;
}

/**
 * How a close ended. `delivered`: all that was queued was handed to the peer's connection. `timed-out`: the bound passed first.
 * `peer-lost`: the peer went away meanwhile, and messages with it.
 */
export type CloseOutcome = 'delivered' | 'timed-out' | 'peer-lost';

/** The socket itself ends its linger; should it not, `close` gives up so much later. */
const LINGER_GRACE_MS = 2_000;

export class PushPublisher {
  /** Peers that completed the handshake, and that were lost, since the start. */
  peersSeen = 0;
  peersLost = 0;
  #endpoint: string;
  readonly #socket: Push;
  readonly #lingerMs: number;
  readonly #ended: Promise<void>;
  /** The last `publish`: sends go one after the other, the socket allows no more. */
  #tail: Promise<void> = Promise.resolve();
  #closing: Promise<CloseOutcome> | undefined;
  readonly #peerWaiters = new Set<() => void>();

  private constructor(socket: Push, options: PushPublisherOptions) {
    this.#socket = socket;
    this.#endpoint = options.endpoint;
    this.#lingerMs = socket.linger;
    watchPeers(
      socket,
      () => {
        this.peersSeen++;
        options.onConnect?.();
        for (const wake of this.#peerWaiters) wake();
      },
      () => {
        this.peersLost++;
        options.onDisconnect?.();
      },
    );
    // The monitor ends when the socket is truly gone: after close, when nothing is queued any more or linger has passed.
    this.#ended = new Promise((resolve) => socket.events.on('end', () => resolve()));
  }

  /** Binds (or connects). Throws {@link PublisherOpenError}. */
  static async open(options: PushPublisherOptions): Promise<PushPublisher> {
    const socket = new Push({
      sendHighWaterMark: options.sendHighWaterMark ?? 1000,
      linger: options.lingerMs ?? 30_000,
      // Queue for completed connections only, never for one that may not come.
      immediate: true,
      ...KEEPALIVE,
    });
    // It observes its peers from before the first can come.
    const publisher = new PushPublisher(socket, options);
    publisher.#endpoint = await openSocket(socket, options);
    return publisher;
  }

  /** Where it is bound, with the port that was taken, or connects to. */
  get endpoint(): string {
    return this.#endpoint;
  }

  /** True as soon as a peer has completed the handshake; false when none has within the time. */
  async waitForPeer(timeoutMs: number): Promise<boolean> {
    if (this.peersSeen > this.peersLost) return true;
    return new Promise((resolve) => {
      const settle = (found: boolean): void => {
        clearTimeout(timer);
        this.#peerWaiters.delete(wake);
        resolve(found);
      };
      const wake = (): void => settle(true);
      const timer = setTimeout(() => settle(false), timeoutMs);
      this.#peerWaiters.add(wake);
    });
  }

  /**
   * Queues a message. Resolves when the socket has taken it, which under backpressure, or without a peer, may be never:
   * that is how the pressure reaches the engine. Messages are sent in the order of the calls.
   */
  publish(frames: Frames): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new Error('the publisher is closed'));
    const sent = this.#tail.then(() => this.#socket.send(frames as [Buffer, Buffer]));
    this.#tail = sent.catch(() => undefined);
    return sent;
  }

  /** Hands over what is queued, within `lingerMs`, and closes. A process must await it: exiting drops what is queued. */
  close(): Promise<CloseOutcome> {
    this.#closing ??= this.#linger();
    return this.#closing;
  }

  async #linger(): Promise<CloseOutcome> {
    const lostBefore = this.peersLost;
    const startMs = performance.now();
    this.#socket.close();
    let timer: NodeJS.Timeout | undefined;
    const gaveUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#lingerMs + LINGER_GRACE_MS);
    });
    await Promise.race([this.#ended, gaveUp]);
    clearTimeout(timer);
    if (this.peersLost > lostBefore) return 'peer-lost';
    return performance.now() - startMs >= this.#lingerMs ? 'timed-out' : 'delivered';
  }
}
