/**
 * A TCP proxy between two processes, through which a network's faults are done to them: bytes that come late, connections
 * that are cut or fall silent, bytes that are flipped. While none is asked for, it hands on what it gets, in order, and
 * holds back whoever sends more than the other side takes.
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { Random } from '../../src/simulator/random.ts';

/** A place on loopback. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What is done to the bytes that pass. Nothing by default. */
export type Weather =
  | { readonly kind: 'fair' }
  /** Each piece comes so much later, drawn anew for each; order is kept. */
  | { readonly kind: 'delay'; readonly msMin: number; readonly msMax: number }
  /** Connections are reset, and new ones too. */
  | { readonly kind: 'cut' }
  /** Connections stay, and new ones are taken, but nothing passes; they are reset when the weather is fair again. */
  | { readonly kind: 'silent' }
  /** Of so many bytes about, one is changed: XORed with one bit of the mask, drawn anew. */
  | { readonly kind: 'corrupt'; readonly everyBytes: number; readonly mask: number };

/** What a proxy has done so far. */
export interface ProxyCounts {
  connections: number;
  bytes: number;
  delayedPieces: number;
  cutConnections: number;
  /** Pieces that came while nothing passed. */
  swallowedPieces: number;
  corruptedBytes: number;
}

export interface ProxyOptions {
  /** Port 0 takes a free one. */
  readonly listen: Address;
  readonly target: Address;
  /** The same seed draws the same delays and flips, as far as the pieces are the same. */
  readonly seed: number;
}

/** Bytes held back in one direction of a connection before its sender is paused. */
const HELD_BYTES_MAX = 1024 * 1024;
const FAIR: Weather = { kind: 'fair' };

/** One listening proxy. */
export class TcpProxy {
  readonly counts: ProxyCounts = {
    connections: 0,
    bytes: 0,
    delayedPieces: 0,
    cutConnections: 0,
    swallowedPieces: 0,
    corruptedBytes: 0,
  };
  readonly #server: Server;
  readonly #target: Address;
  readonly #random: Random;
  readonly #sockets = new Set<Socket>();
  readonly #deaf = new WeakSet<Socket>();
  /** Bytes until the next is changed. */
  #untilFlip = 0;
  #weather: Weather = FAIR;

  private constructor({ target, seed }: ProxyOptions) {
    this.#target = target;
    this.#random = new Random(seed);
    this.#server = createServer({ noDelay: true }, (socket) => this.#take(socket));
  }

  /** @throws the system's error if it can't listen */
  static async open(options: ProxyOptions): Promise<TcpProxy> {
    const proxy = new TcpProxy(options);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(options.listen.port, options.listen.host, resolve);
    });
    return proxy;
  }

  get address(): Address {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size / 2; // both ends of a connection are here
  }

  get weather(): Weather {
    return this.#weather;
  }

  /** From now on this is done to what passes. */
  set weather(weather: Weather) {
    const before = this.#weather;
    this.#weather = weather;
    if (weather.kind === 'corrupt') this.#untilFlip = this.#nextFlip(weather.everyBytes);
    if (weather.kind === 'cut' || before.kind === 'silent') this.#resetAll();
  }

  /** From now on nothing gets over the connections that there are, and nobody is told; new ones are as good as ever. */
  deafen(): void {
    for (const socket of this.#sockets) this.#deaf.add(socket);
  }

  /** Takes no new connections; those that there are stay. */
  shut(): void {
    this.#server.close();
  }

  /** Ends all connections and listens no more. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #resetAll(): void {
    for (const socket of this.#sockets) {
      this.counts.cutConnections += 0.5; // both ends of a connection are here
      socket.resetAndDestroy();
    }
  }

  #take(near: Socket): void {
    if (this.#weather.kind === 'cut') {
      this.counts.cutConnections += 1;
      near.resetAndDestroy();
      return;
    }
    this.counts.connections += 1;
    const far = connect({ ...this.#target, noDelay: true });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      // An end that fails closes; the other is then destroyed too.
      socket.on('error', () => undefined);
    }
    this.#join(near, far);
    this.#join(far, near);
  }

  /** Hands pieces from one socket to the other, as the weather has it when they come. */
  #join(from: Socket, to: Socket): void {
    const held = new Held((piece) => {
      if (piece === undefined) to.end();
      else if (!to.destroyed && !to.write(piece)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    });
    held.onRoom = () => {
      if (!to.writableNeedDrain) from.resume();
    };
    from.on('data', (piece: Buffer) => {
      this.counts.bytes += piece.length;
      const weather = this.#weather;
      if (weather.kind === 'silent' || this.#deaf.has(from)) {
        this.counts.swallowedPieces += 1;
        return;
      }
      if (weather.kind === 'corrupt') this.#corrupt(piece, weather);
      let ms = 0;
      if (weather.kind === 'delay') {
        this.counts.delayedPieces += 1;
        ms = weather.msMin + this.#random.fraction() * (weather.msMax - weather.msMin);
      }
      held.add(piece, ms);
      if (held.bytes >= HELD_BYTES_MAX) from.pause();
    });
    from.once('end', () => held.add(undefined, 0));
    to.once('close', () => held.clear());
  }

  #corrupt(piece: Buffer, { everyBytes, mask }: Extract<Weather, { kind: 'corrupt' }>): void {
    for (; this.#untilFlip < piece.length; this.#untilFlip += this.#nextFlip(everyBytes)) {
      const bits = [0, 1, 2, 3, 4, 5, 6, 7].map((bit) => 1 << bit).filter((bit) => (mask & bit) !== 0);
      piece[this.#untilFlip]! ^= bits[this.#random.below(bits.length)]!;
      this.counts.corruptedBytes += 1;
    }
    this.#untilFlip -= piece.length;
  }

  #nextFlip(everyBytes: number): number {
    return 1 + this.#random.below(Math.min(2 * everyBytes, 2 ** 21));
  }
}

/** What is held back in one direction, in the order in which it came: nothing overtakes what is due later. */
class Held {
  bytes = 0;
  /** Called when there is room again. */
  onRoom: () => void = () => undefined;
  readonly #hand: (piece: Buffer | undefined) => void;
  #queue: { readonly piece: Buffer | undefined; readonly dueMs: number }[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** @param hand given each piece when it is due; undefined is the end */
  constructor(hand: (piece: Buffer | undefined) => void) {
    this.#hand = hand;
  }

  add(piece: Buffer | undefined, ms: number): void {
    const last = this.#queue.at(-1);
    if (ms === 0 && last === undefined) {
      this.#hand(piece);
      return;
    }
    this.#queue.push({ piece, dueMs: Math.max(performance.now() + ms, last?.dueMs ?? 0) });
    this.bytes += piece?.length ?? 0;
    this.#timer ??= setTimeout(() => this.#release(), ms);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#queue = [];
    this.bytes = 0;
  }

  #release(): void {
    this.#timer = undefined;
    const wasFull = this.bytes >= HELD_BYTES_MAX;
    for (;;) {
      const [next] = this.#queue;
      if (next === undefined) break;
      const aheadMs = next.dueMs - performance.now();
      if (aheadMs > 0) {
        this.#timer = setTimeout(() => this.#release(), aheadMs);
        break;
      }
      this.#queue.shift();
      this.bytes -= next.piece?.length ?? 0;
      this.#hand(next.piece);
    }
    if (wasFull && this.bytes < HELD_BYTES_MAX) this.onRoom();
  }
}
