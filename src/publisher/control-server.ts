/**
 * The engine's control socket: a ROUTER beside the PUSH socket, on which ingests ask for the stream again and say what is
 * settled. It reads and answers; what the messages lead to is the publisher's business.
 */
import { Router } from 'zeromq';
import {
  CONTROL_BYTES_MAX,
  decodeControl,
  encodeControl,
  type ControlAnswer,
  type ControlMessage,
  type DecodedControl,
} from '../wire/control.ts';
import { KEEPALIVE, openSocket, type EngineSocketOptions } from './sockets.ts';

const SEND_MS_MAX = 1_000;
const LINGER_MS = 200;

/** What a control server needs. */
export interface ControlServerOptions extends EngineSocketOptions {
  /** Told of each message; what it answers is sent back to whoever sent it. */
  onMessage(message: ControlMessage): Promise<ControlAnswer | undefined>;
  /** Told of what is no control message. */
  onFault(decoded: Exclude<DecodedControl, { kind: 'message' }>): void;
}

/** One open control socket. */
export class ControlServer {
  readonly endpoint: string;
  readonly #options: ControlServerOptions;
  readonly #socket: Router;
  readonly #done: Promise<void>;

  private constructor(socket: Router, endpoint: string, options: ControlServerOptions) {
    this.#socket = socket;
    this.endpoint = endpoint;
    this.#options = options;
    this.#done = this.#run();
  }

  /** Binds or connects. Throws PublisherOpenError. */
  static async open(options: ControlServerOptions): Promise<ControlServer> {
    const socket = new Router({
      maxMessageSize: CONTROL_BYTES_MAX,
      sendTimeout: SEND_MS_MAX,
      linger: LINGER_MS,
      ...KEEPALIVE,
    });
    return new ControlServer(socket, await openSocket(socket, options), options);
  }

  /** Hears nothing more; resolves when the last message has been dealt with. */
  async close(): Promise<void> {
    this.#socket.close();
    await this.#done;
  }

  async #run(): Promise<void> {
    for await (const [peer, ...frames] of this.#socket) {
      const decoded = decodeControl(frames);
      if (decoded.kind !== 'message') {
        this.#options.onFault(decoded);
        continue;
      }
      const answer = await this.#options.onMessage(decoded.message);
      if (answer === undefined || peer === undefined) continue;
      try {
        await this.#socket.send([peer, encodeControl(answer)]);
      } catch {
        // The peer is gone, or we are closed: who comes next asks again.
      }
    }
  }
}
