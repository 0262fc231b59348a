/**
 * Stands for `zeromq` in a simulation: the part of its sockets that `src` uses, on the simulated network. A socket belongs
 * to the process that makes it, and dies with it.
 */
import type { Connection, Network } from '../network.ts';

type Frames = Buffer[];
type Listener = (details: { readonly address: string }) => void;

let network: Network | undefined;

/** On which network sockets are from now on. */
export function useNetwork(next: Network): void {
  network = next;
}

/** A PULL socket. */
export class Pull {
  receiveTimeout = -1;
  lastEndpoint: string | null = null;
  readonly events = {
    on: (event: string, listener: Listener): void => {
      this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    },
  };
  readonly #listeners = new Map<string, Listener[]>();
  readonly #buffer: Frames[] = [];
  #waiting: { resolve(frames: Frames): void; reject(error: Error): void } | undefined;
  #closed = false;
  #connection: Connection | undefined;

  constructor(_options: object) {
    if (!network) throw new Error('no simulated network');
  }

  bind(): Promise<void> {
    return Promise.reject(new Error('the simulated ingest connects'));
  }

  connect(endpoint: string): void {
    this.lastEndpoint = endpoint;
    this.#connection = network?.connect(this);
  }

  /** The next message. */
  receive(): Promise<Frames> {
    if (this.#closed) return Promise.reject(new Error('the socket is closed'));
    network?.asked();
    const frames = this.#buffer.shift();
    if (frames) {
      this.#connection?.taken();
      return Promise.resolve(frames);
    }
    if (this.receiveTimeout === 0)
      return Promise.reject(Object.assign(new Error('nothing there'), { code: 'EAGAIN' }));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
    this.#waiting?.reject(new Error('the socket was closed'));
    this.#waiting = undefined;
  }

  /** The network brings a message. */
  deliver(frames: Frames): void {
    if (this.#closed) return;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (!waiting) {
      this.#buffer.push(frames);
      return;
    }
    this.#connection?.taken();
    waiting.resolve(frames);
  }

  /** The network tells what happened to a connection. */
  tell(event: 'connect' | 'handshake' | 'disconnect' | 'connect:retry'): void {
    for (const listener of this.#listeners.get(event) ?? []) listener({ address: 'engine' });
  }
}

/** A DEALER socket. The simulated engine has no control socket: who would open one is told so. */
export class Dealer {
  readonly events = { on: (): void => undefined };

  connect(): void {
    throw new Error('the simulated engine has no control socket');
  }

  close(): void {
    // Nothing was opened.
  }
}
