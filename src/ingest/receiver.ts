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
  #socket: Pull;
  readonly #options: ReceiverOptions;
  #receiving = false;
  #closed = false;
  #reconnectDue = false;
  #endWatching: () => void = () => undefined;
  /** The last handshake failed for its keys. */
  #isUnauthorized = false;
  /** Addresses of the peers that are there, one for each: where we bind, they may all have the same. */
  readonly #ready: string[] = [];

  private constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#socket = this.#newSocket();
  }

  /**
   * Opens the socket.
   *
   * @throws EndpointError if it cannot be bound or is malformed
   */
  static async open(options: ReceiverOptions): Promise<Receiver> {
    const receiver = new Receiver(options);
    try {
      await openSocket(receiver.#socket, options);
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
    const socket = this.#socket;
    try {
      return (this.#reconnectDue ? await this.#rest() : undefined) ?? (await socket.receive());
    } catch (error) {
      if (this.#closed) return undefined;
      if (socket === this.#socket) throw error;
    } finally {
      this.#receiving = false;
    }
    return this.receive();
  }

  /**
   * Opens the connection anew, where it is we who connect. A byte that was changed in the length of a frame makes our side wait for
   * the rest of it, and nobody is told: not even the keepalive is missed. What the connection had is sent again when it is
   * asked for.
   *
   * @throws EndpointError if it cannot be opened
   */
  async renew(): Promise<void> {
    if (this.#closed || this.#options.bind) return;
    const before = this.#socket;
    this.#endWatching();
    this.#reconnectDue = false;
    this.#socket = this.#newSocket();
    for (const address of this.#ready.splice(0)) this.#options.onConnection?.('closed', address);
    before.close();
    await openSocket(this.#socket, this.#options);
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

  #newSocket(): Pull {
    const socket = new Pull({
      receiveHighWaterMark: this.#options.highWaterMark,
      maxMessageSize: TRANSPORT_BYTES_MAX,
      ...CONNECTION,
      linger: 0,
    });
    this.#watchConnections(socket);
    return socket;
  }

  #watchConnections(socket: Pull): void {
    const { events } = socket;
    const { bind, onConnection } = this.#options;
    for (const event of ['accept', 'connect'] as const)
      events.on(event, ({ address }) => onConnection?.('opened', address));
    watchPeers(
      socket,
      (address) => {
        if (socket !== this.#socket) return;
        this.#isUnauthorized = false;
        this.#ready.push(address);
        onConnection?.('ready', address);
      },
      (address) => {
        const at = this.#ready.indexOf(address);
        // Those of a socket that was replaced were told of when it was.
        if (socket !== this.#socket || at < 0) return;
        this.#ready.splice(at, 1);
        onConnection?.('closed', address);
      },
    );
    if (bind) return;
    this.#watchHandshakes(socket);
    this.#endWatching = watchGivenUp(socket, (address) => {
      if (this.#closed) return;
      if (!this.#isUnauthorized) onConnection?.('refused', address);
      // A receive that still waits by now has found the buffer empty.
      if (this.#receiving) this.#reconnect();
      else this.#reconnectDue = true;
    });
  }

  /** Tells once of a row of handshakes that fail for their keys. */
  #watchHandshakes({ events }: Pull): void {
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
