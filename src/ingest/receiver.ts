/**
 * The socket: a ZeroMQ PULL with a bound on message size and a small buffer, so that PUSH/PULL carries the pressure
 * back to the engine when it is not read (I7). Dead peers are found by TCP keepalive, not by ZeroMQ's heartbeats: a
 * socket that holds pressure back does not answer those, is cut off, and drops what is queued (measured).
 */
import { Pull } from 'zeromq';
import { TRANSPORT_BYTES_MAX } from '../wire/message.ts';

/** How to open the socket. */
export interface ReceiverOptions {
  readonly endpoint: string;
  /** True: we bind and the engine connects. */
  readonly bind: boolean;
  /** Messages that the transport may buffer. */
  readonly highWaterMark: number;
  /** Told when a connection opens or ends, with the peer's address. */
  readonly onConnection?: (change: 'opened' | 'closed', address: string) => void;
}

const KEEPALIVE_IDLE_S = 10;
const KEEPALIVE_INTERVAL_S = 5;
const KEEPALIVE_PROBES = 3;

/** One open PULL socket. */
export class Receiver {
  readonly #socket: Pull;
  #endpoint: string;
  #closed = false;

  private constructor(socket: Pull, endpoint: string) {
    this.#socket = socket;
    this.#endpoint = endpoint;
  }

  /**
   * Opens the socket.
   *
   * @throws Error naming the endpoint if it cannot be bound or is malformed
   */
  static async open(options: ReceiverOptions): Promise<Receiver> {
    const socket = new Pull({
      receiveHighWaterMark: options.highWaterMark,
      maxMessageSize: TRANSPORT_BYTES_MAX,
      tcpKeepalive: 1,
      tcpKeepaliveIdle: KEEPALIVE_IDLE_S,
      tcpKeepaliveInterval: KEEPALIVE_INTERVAL_S,
      tcpKeepaliveCount: KEEPALIVE_PROBES,
      reconnectInterval: 100,
      reconnectMaxInterval: 2_000,
      linger: 0,
    });
    if (options.onConnection) {
      const tell = options.onConnection;
      for (const event of ['accept', 'connect'] as const)
        socket.events.on(event, (details) => {
          tell('opened', details.address);
        });
      socket.events.on('disconnect', (details) => {
        tell('closed', details.address);
      });
    }
    try {
      if (options.bind) await socket.bind(options.endpoint);
      else socket.connect(options.endpoint);
    } catch (error) {
      socket.close();
      throw new Error(
        `cannot ${options.bind ? 'bind' : 'connect to'} ${options.endpoint}: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
    return new Receiver(socket, options.bind ? (socket.lastEndpoint ?? options.endpoint) : options.endpoint);
  }

  /** Where it is bound or connected to. */
  get endpoint(): string {
    return this.#endpoint;
  }

  /** The next message's frames, or undefined once the socket is closed. */
  async receive(): Promise<Buffer[] | undefined> {
    if (this.#closed) return undefined;
    try {
      return await this.#socket.receive();
    } catch (error) {
      if (this.#closed) return undefined;
      throw error;
    }
  }

  /** Closes the socket; a pending receive ends. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }
}
