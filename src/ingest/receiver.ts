/**
 * The socket: a ZeroMQ PULL with a bound on message size and a small buffer, so that PUSH/PULL carries the pressure
 * back to the engine when it is not read (I7). A connection that the transport ended for what came over it, a frame above
 * its limit, is opened again: ZeroMQ itself gives it up.
 */
import { Pull } from 'zeromq';
import { TRANSPORT_BYTES_MAX } from '../wire/message.ts';
import { watchPeers } from '../curve/peers.ts';
import { CONNECTION, openSocket, watchGivenUp, type IngestSocketOptions } from './sockets.ts';

/**
 * What happened to a connection. `ready`: both sides speak ZeroMQ, and messages can come. `refused`: the transport ended
 * it, since what came was above its limit or no ZeroMQ; `unauthorized`: the engine does not know our CURVE key, has
 * another than we were given, or one side speaks in the clear. Both are known where we connect; where we bind, the same
 * shows as `closed`.
 */
export type ConnectionChange = 'opened' | 'ready' | 'closed' | 'refused' | 'unauthorized';

/** How to open the socket. */
export interface ReceiverOptions extends IngestSocketOptions {
  /** Messages that the transport may buffer. */
  readonly highWaterMark: number;
  /** Told what happens to connections, with the peer's address. */
  readonly onConnection?: (change: ConnectionChange, address: string) => void;
}

/** One open PULL socket. */
export class Receiver {
  readonly #socket: Pull;
  readonly #options: ReceiverOptions;
  #receiving = false;
  #closed = false;
  #reconnectDue = false;
  #endWatching: () => void = () => undefined;
  /** The last handshake failed for its keys. */
  #isUnauthorized = false;

  private constructor(socket: Pull, options: ReceiverOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#watchConnections();
  }

  /**
   * Opens the socket.
   *
   * @throws EndpointError if it cannot be bound or is malformed
   */
  static async open(options: ReceiverOptions): Promise<Receiver> {
    const socket = new Pull({
      receiveHighWaterMark: options.highWaterMark,
      maxMessageSize: TRANSPORT_BYTES_MAX,
      ...CONNECTION,
      linger: 0,
    });
    const receiver = new Receiver(socket, options);
    try {
      await openSocket(socket, options);
    } catch (error) {
      receiver.close();
      throw error;
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
    this.#endWatching();
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
    watchPeers(
      this.#socket,
      (address) => {
        this.#isUnauthorized = false;
        onConnection?.('ready', address);
      },
      (address) => onConnection?.('closed', address),
    );
    if (bind) return;
    this.#watchHandshakes();
    this.#endWatching = watchGivenUp(this.#socket, (address) => {
      if (this.#closed) return;
      if (!this.#isUnauthorized) onConnection?.('refused', address);
      // A receive that still waits by now has found the buffer empty.
      if (this.#receiving) this.#reconnect();
      else this.#reconnectDue = true;
    });
  }

  /** Tells once of a row of handshakes that fail for their keys. */
  #watchHandshakes(): void {
    const { events } = this.#socket;
    const { curve, onConnection } = this.#options;
    const unauthorized = (address: string): void => {
      if (!this.#isUnauthorized) onConnection?.('unauthorized', address);
      this.#isUnauthorized = true;
    };
    events.on('handshake:error:auth', ({ address }) => {
      unauthorized(address);
    });
    events.on('handshake:error:protocol', ({ address, error }) => {
      if (error.code === 'ERR_ZMTP_MECHANISM_MISMATCH') unauthorized(address);
    });
    // An engine that has another key than we were given just hangs up.
    if (curve)
      events.on('handshake:error:other', ({ address }) => {
        unauthorized(address);
      });
  }
}
