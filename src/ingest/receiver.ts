/**
 * The socket: a ZeroMQ PULL with a bound on message size and a small buffer, so that PUSH/PULL carries the pressure
 * back to the engine when it is not read (I7). Dead peers are found by TCP keepalive, not by ZeroMQ's heartbeats: a
 * socket that holds pressure back does not answer those, is cut off, and drops what is queued (measured). A connection
 * that the transport ended for what came over it, a frame above its limit, is opened again: ZeroMQ itself gives it up.
 */
import { Pull } from 'zeromq';
import { TRANSPORT_BYTES_MAX } from '../wire/message.ts';

/**
 * What happened to a connection. `refused`: the transport ended it, since what came was above its limit or no ZeroMQ;
 * that is known where we connect. Where we bind, the same shows as `closed`.
 */
export type ConnectionChange = 'opened' | 'closed' | 'refused';

/** How to open the socket. */
export interface ReceiverOptions {
  readonly endpoint: string;
  /** True: we bind and the engine connects. */
  readonly bind: boolean;
  /** Messages that the transport may buffer. */
  readonly highWaterMark: number;
  /** Told what happens to connections, with the peer's address. */
  readonly onConnection?: (change: ConnectionChange, address: string) => void;
}

const KEEPALIVE_IDLE_S = 10;
const KEEPALIVE_INTERVAL_S = 5;
const KEEPALIVE_PROBES = 3;
/** A connection that ZeroMQ itself does not announce to open again within this time was given up by it. */
const GIVEN_UP_MS = 500;

/** One open PULL socket. */
export class Receiver {
  readonly #socket: Pull;
  readonly #options: ReceiverOptions;
  #receiving = false;
  #closed = false;
  #reconnectDue = false;
  #givenUp: NodeJS.Timeout | undefined;

  private constructor(socket: Pull, options: ReceiverOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#watchConnections();
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
    const receiver = new Receiver(socket, options);
    try {
      if (options.bind) await socket.bind(options.endpoint);
      else socket.connect(options.endpoint);
    } catch (error) {
      receiver.close();
      throw new Error(
        `cannot ${options.bind ? 'bind' : 'connect to'} ${options.endpoint}: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
    return receiver;
  }

  /** Where it is bound or connected to. */
  get endpoint(): string {
    const { bind, endpoint } = this.#options;
    return bind && !this.#closed ? (this.#socket.lastEndpoint ?? endpoint) : endpoint;
  }

  /** The next message's frames, or undefined once the socket is closed. One call at a time. */
  async receive(): Promise<Buffer[] | undefined> {
    if (this.#closed) return undefined;
    this.#receiving = true;
    try {
      return (this.#reconnectDue ? await this.#rest() : undefined) ?? (await this.#socket.receive());
    } catch (error) {
      if (this.#closed) return undefined;
      throw error;
    } finally {
      this.#receiving = false;
    }
  }

  /** Closes the socket; a pending receive ends. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#givenUp);
    this.#socket.close();
  }

  /**
   * What a connection that was given up left in the buffer. It is read to the end before a new one is opened: two
   * connections are read in turn, which would mix their messages.
   */
  async #rest(): Promise<Buffer[] | undefined> {
    this.#socket.receiveTimeout = 0;
    try {
      return await this.#socket.receive();
    } catch (error) {
      if (this.#closed || (error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      this.#reconnect();
      return undefined;
    } finally {
      if (!this.#closed) this.#socket.receiveTimeout = -1;
    }
  }

  #reconnect(): void {
    this.#reconnectDue = false;
    if (!this.#closed) this.#socket.connect(this.#options.endpoint);
  }

  #watchConnections(): void {
    const { events } = this.#socket;
    const { bind, onConnection } = this.#options;
    for (const event of ['accept', 'connect'] as const)
      events.on(event, ({ address }) => onConnection?.('opened', address));
    events.on('disconnect', ({ address }) => {
      onConnection?.('closed', address);
      if (!bind) this.#expectRetry(address);
    });
    if (bind) return;
    for (const event of ['handshake:error:protocol', 'handshake:error:other'] as const)
      events.on(event, ({ address }) => {
        this.#expectRetry(address);
      });
    for (const event of ['connect:retry', 'connect:delay', 'connect'] as const)
      events.on(event, () => {
        clearTimeout(this.#givenUp);
      });
  }

  #expectRetry(address: string): void {
    clearTimeout(this.#givenUp);
    this.#givenUp = setTimeout(() => {
      if (this.#closed) return;
      this.#options.onConnection?.('refused', address);
      // A receive that still waits by now has found the buffer empty.
      if (this.#receiving) this.#reconnect();
      else this.#reconnectDue = true;
    }, GIVEN_UP_MS);
  }
}
