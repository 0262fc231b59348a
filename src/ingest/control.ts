/**
 * The ingest's control socket: a DEALER beside the PULL socket, on which it asks the engine to send again and says what is
 * settled and persisted (I7). Only the newest of each matters, so nothing piles up while the engine is away: what was meant
 * for a connection is said again on the next one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Dealer } from 'zeromq';
import {
  CONTROL_BYTES_MAX,
  decodeControl,
  encodeControl,
  type ResumeMessage,
  type SettledMessage,
} from '../wire/control.ts';
import { watchPeers } from '../curve/peers.ts';
import { faultLines } from '../wire/reasons.ts';
import { CONNECTION, openSocket, watchGivenUp, type IngestSocketOptions } from './sockets.ts';

const SEND_MS_MAX = 1_000;
const LINGER_MS = 1_000;
/** Between a message that could not be handed over and the next try, ms. */
const AGAIN_MS = 200;
const HIGH_WATER_MARK = 16;

/** What a control socket needs. */
export interface ControlOptions extends IngestSocketOptions {
  readonly stream: string;
  readonly lease: bigint;
  /** Told when an engine is there to be talked to, and when it is gone. */
  onConnection(isConnected: boolean): void;
  /** Told that what was asked for is not there any more. */
  onUnavailable(oldest: bigint): void;
  /** Told that what was said was ignored: the engine has heard of this higher lease. */
  onOldLease(newest: bigint): void;
  /** Told of what is no answer. */
  onFault(problem: string): void;
}

/** One open control socket. */
export class Control {
  readonly #options: ControlOptions;
  readonly #socket: Dealer;
  #connections = 0;
  #resume: ResumeMessage | undefined;
  #settled: SettledMessage | undefined;
  #pumping = false;
  #closed = false;
  #endWatching: () => void = () => undefined;

  private constructor(socket: Dealer, options: ControlOptions) {
    this.#socket = socket;
    this.#options = options;
    watchPeers(
      socket,
      () => {
        this.#connections += 1;
        options.onConnection(true);
        void this.#pump();
      },
      () => {
        this.#connections = Math.max(this.#connections - 1, 0);
        if (!this.isConnected) this.#resume = undefined;
        if (!this.#closed) options.onConnection(this.isConnected);
      },
    );
  }

  /**
   * Opens it.
   *
   * @throws EndpointError if it cannot be bound or is malformed
   */
  static async open(options: ControlOptions): Promise<Control> {
    const socket = new Dealer({
      maxMessageSize: CONTROL_BYTES_MAX,
      sendHighWaterMark: HIGH_WATER_MARK,
      sendTimeout: SEND_MS_MAX,
      // Nothing is queued for a connection that is not there: it would be said to the next engine, too late.
      immediate: true,
      linger: LINGER_MS,
      ...CONNECTION,
    });
    const control = new Control(socket, options);
    try {
      await openSocket(socket, options);
    } catch (error) {
      control.close();
      throw error;
    }
    if (!options.bind)
      control.#endWatching = watchGivenUp(socket, (address) => {
        if (control.#closed) return;
        options.onFault(
          `${address} does not speak ZeroMQ as an engine's control socket (ROUTER) does, or refuses our CURVE key`,
        );
        socket.connect(options.endpoint);
      });
    void control.#run();
    return control;
  }

  /** True while an engine is there. */
  get isConnected(): boolean {
    return this.#connections > 0;
  }

  /** Asks for the stream from a sequence on, if an engine is there. */
  resume(from: bigint): void {
    if (!this.isConnected) return;
    const { stream, lease } = this.#options;
    this.#resume = { type: 'resume', stream, from, lease };
    void this.#pump();
  }

  /** Says that everything up to a sequence is settled, and that the watermark is persisted (I7). */
  settled(upTo: bigint): void {
    const { stream, lease } = this.#options;
    this.#settled = { type: 'settled', stream, upTo, lease };
    void this.#pump();
  }

  /** Closes it; what was said last is still handed over. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#endWatching();
    this.#socket.close();
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.isConnected && !this.#closed) {
      const message = this.#resume ?? this.#settled;
      if (!message) break;
      if (message === this.#resume) this.#resume = undefined;
      else this.#settled = undefined;
      try {
        await this.#socket.send(encodeControl(message));
      } catch {
        this.#keep(message);
        await sleep(AGAIN_MS, undefined, { ref: false });
      }
    }
    this.#pumping = false;
  }

  /** What could not be handed over is said again, unless there is something newer: nothing else may follow for long. */
  #keep(message: ResumeMessage | SettledMessage): void {
    if (message.type === 'settled') this.#settled ??= message;
    // Where the connection is gone, who comes next is asked anew.
    else if (this.isConnected) this.#resume ??= message;
  }

  async #run(): Promise<void> {
    for await (const frames of this.#socket) {
      const decoded = decodeControl(frames);
      if (decoded.kind === 'message' && decoded.message.type === 'unavailable')
        this.#options.onUnavailable(decoded.message.oldest);
      else if (decoded.kind === 'message' && decoded.message.type === 'old-lease')
        this.#options.onOldLease(decoded.message.lease);
      else if (decoded.kind === 'fault') this.#options.onFault(faultLines(decoded.faults).join('; '));
      else this.#options.onFault('a message that no engine sends');
    }
  }
}
