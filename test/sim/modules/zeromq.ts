/**
 * Stands for `zeromq` in a simulation: the part of its sockets that `src` uses, on the simulated network. A socket belongs
 * to the process that makes it, and dies with it.
 */
import type { Link, Network } from '../network.ts';
import type { Process } from '../scheduler.ts';

type Frames = Buffer[];
type Listener = (details: { readonly address: string }) => void;

let network: Network | undefined;

/** On which network sockets are from now on. */
export function useNetwork(next: Network): void {
  network = next;
}

function theNetwork(): Network {
  if (!network) throw new Error('no simulated network');
  return network;
}

/** What all sockets have. */
export abstract class Socket {
  lastEndpoint: string | null = null;
  linger = 0;
  closed = false;
  readonly process: Process;
  /** Connections that are up. */
  readonly links: Link[] = [];
  readonly events = {
    on: (event: string, listener: Listener): void => {
      this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    },
  };
  protected readonly network: Network;
  readonly #listeners = new Map<string, Listener[]>();

  constructor(_options: object) {
    this.network = theNetwork();
    this.process = this.network.currentProcess;
  }

  bind(endpoint: string): Promise<void> {
    this.lastEndpoint = endpoint;
    this.network.bind(this, endpoint);
    return Promise.resolve();
  }

  connect(endpoint: string): void {
    this.lastEndpoint = endpoint;
    this.network.connect(this, endpoint);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.ended();
    this.network.closed(this);
    this.tell('end');
  }

  /** What happened to a connection. */
  tell(event: string): void {
    for (const listener of this.#listeners.get(event) ?? []) listener({ address: 'peer' });
  }

  /** A connection came up. */
  added(link: Link): void {
    this.links.push(link);
  }

  /** A connection is gone. */
  removed(link: Link): void {
    const at = this.links.indexOf(link);
    if (at >= 0) this.links.splice(at, 1);
  }

  /** Messages have come over a connection. */
  abstract deliver(messages: readonly Frames[], link: Link): void;

  /** Whoever waits for something is told that nothing comes. */
  protected abstract ended(): void;
}

/** A socket that is read. */
abstract class Reader extends Socket {
  receiveTimeout = -1;
  readonly #buffer: { readonly frames: Frames; readonly link: Link }[] = [];
  #waiting: { resolve(frames: Frames): void; reject(error: Error): void } | undefined;

  /** The next message. */
  receive(): Promise<Frames> {
    if (this.closed) return Promise.reject(new Error('the socket is closed'));
    this.network.asked(this);
    const next = this.#buffer.shift();
    if (next) {
      this.network.taken(next.link);
      return Promise.resolve(next.frames);
    }
    if (this.receiveTimeout === 0)
      return Promise.reject(Object.assign(new Error('nothing there'), { code: 'EAGAIN' }));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  override deliver(messages: readonly Frames[], link: Link): void {
    if (this.closed) return;
    for (const frames of messages) {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting) {
        this.network.taken(link);
        waiting.resolve(frames);
      } else this.#buffer.push({ frames, link });
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Frames> {
    while (!this.closed) {
      let frames: Frames;
      try {
        frames = await this.receive();
      } catch {
        return;
      }
      yield frames;
    }
  }

  protected override ended(): void {
    this.#waiting?.reject(new Error('the socket was closed'));
    this.#waiting = undefined;
  }
}

/** A PULL socket. */
export class Pull extends Reader {}

/** A DEALER socket: it speaks with whoever it is connected to. */
export class Dealer extends Reader {
  send(message: Buffer | Frames): Promise<void> {
    const [link] = this.links;
    if (this.closed || !link) return Promise.reject(new Error('nobody is there'));
    this.network.send(link, this, Array.isArray(message) ? message : [message]);
    return Promise.resolve();
  }
}

/** A ROUTER socket: each message begins with the name of the connection that it came over. */
export class Router extends Reader {
  override deliver(messages: readonly Frames[], link: Link): void {
    super.deliver(
      messages.map((frames) => [Buffer.from(`${link.number}`), ...frames]),
      link,
    );
  }

  send([peer, ...frames]: Frames): Promise<void> {
    const link = this.links.find(({ number }) => `${number}` === peer?.toString());
    if (this.closed || !link) return Promise.reject(new Error('the peer is gone'));
    this.network.send(link, this, frames);
    return Promise.resolve();
  }
}

/** A PUSH socket: it gives messages in turn to those that are connected and have room, and waits while none has. */
export class Push extends Socket {
  #turn = 0;
  #waiting: { readonly frames: Frames; resolve(): void; reject(error: Error): void } | undefined;

  send(frames: Frames): Promise<void> {
    if (this.closed) return Promise.reject(new Error('the socket is closed'));
    if (this.#give(frames)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting = { frames, resolve, reject };
    });
  }

  override added(link: Link): void {
    super.added(link);
    this.room();
  }

  /** There may be room. */
  room(): void {
    const waiting = this.#waiting;
    if (!waiting || !this.#give(waiting.frames)) return;
    this.#waiting = undefined;
    waiting.resolve();
  }

  override deliver(): void {
    throw new Error('a PUSH socket receives nothing');
  }

  protected override ended(): void {
    this.#waiting?.reject(new Error('the socket was closed'));
  }

  #give(frames: Frames): boolean {
    for (let tries = 0; tries < this.links.length; tries += 1) {
      this.#turn += 1;
      const link = this.links[this.#turn % this.links.length];
      if (!link || !this.network.hasRoom(link)) continue;
      this.network.send(link, this, frames);
      return true;
    }
    return false;
  }
}

/** Not used by what a simulation runs. */
export function curveKeyPair(): never {
  throw new Error('the simulated network has no CURVE');
}
