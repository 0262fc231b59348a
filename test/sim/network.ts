/**
 * The simulated PUSH/PULL between an engine and its ingests: messages of one connection arrive in order or not at all. A
 * connection that is cut loses what was on its way, or brings it after the new one's; an engine that sends again repeats.
 */
import type { Pull } from './modules/zeromq.ts';
import type { Engine } from './engine.ts';
import type { Random } from './random.ts';
import type { Planned, Process, Scheduler } from './scheduler.ts';

/** Messages that travel together at most. */
const BURST_MAX = 24;

/** How a network is made. */
export interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly engine: Engine;
  /** The sequence after which an engine sends again: what it knows to be settled. */
  readonly settledUpTo: () => bigint;
  /** Told whenever an ingest asks for its next message. */
  onAsked(process: Process): void;
  readonly trace: (text: () => string) => void;
}

/** One connection of an engine's PUSH with an ingest's PULL. */
export class Connection {
  readonly process: Process;
  readonly pull: Pull;
  open = true;
  /** The next sequence to be sent, from 1; undefined until the engine has taken the connection. */
  cursor: bigint | undefined;
  /** Messages sent and not yet taken by the ingest. */
  queued = 0;
  arrivesMs = 0;
  pumping: Planned | undefined;
  readonly onItsWay = new Set<Planned>();
  readonly #network: Network;

  constructor(network: Network, pull: Pull, process: Process) {
    this.#network = network;
    this.pull = pull;
    this.process = process;
  }

  /** The ingest has taken a message out of its buffer. */
  taken(): void {
    this.queued -= 1;
    this.#network.pump(this);
  }

  close(): void {
    this.open = false;
  }
}

/** All connections. */
export class Network {
  readonly #options: NetworkOptions;
  readonly #highWaterMark: number;
  #connections: Connection[] = [];

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#highWaterMark = options.random.pick([10, 100, 1_000]);
  }

  /** Connections that are open in processes that are alive. */
  get connections(): readonly Connection[] {
    this.#connections = this.#connections.filter(({ open, process }) => open && process.alive);
    return this.#connections;
  }

  /** The ingest asks for its next message. */
  asked(): void {
    this.#options.onAsked(this.#options.scheduler.current);
  }

  /** A PULL connects, from the current process. */
  connect(pull: Pull): Connection {
    const { scheduler, random } = this.#options;
    const connection = new Connection(this, pull, scheduler.current);
    this.#connections.push(connection);
    scheduler.in(scheduler.world, random.between(0.5, 5), () => {
      this.resend(connection);
    });
    return connection;
  }

  /** The engine sends again from what it knows to be settled. */
  resend(connection: Connection): void {
    const { settledUpTo, trace } = this.#options;
    const settled = settledUpTo();
    // From the watermark itself, whose event is compared too (I1b).
    connection.cursor = settled > 0n ? settled : 1n;
    trace(() => `engine sends from ${connection.cursor} to ${connection.process.name}`);
    this.pump(connection);
  }

  /** The engine was restarted: what was on its way is gone, and it sends again. */
  restart(connection: Connection): void {
    for (const planned of connection.onItsWay) planned.cancel();
    connection.onItsWay.clear();
    connection.queued = 0;
    if (connection.cursor !== undefined) this.resend(connection);
  }

  /** New events were stated. */
  pumpAll(): void {
    for (const connection of this.connections) this.pump(connection);
  }

  /** Sends on what there is and what there is room for. */
  pump(connection: Connection): void {
    const { scheduler, random, engine } = this.#options;
    if (connection.cursor === undefined || connection.pumping || !connection.open) return;
    if (connection.cursor > engine.lastStated || connection.queued >= this.#highWaterMark) return;
    connection.pumping = scheduler.in(scheduler.world, random.between(0.05, 1), () => {
      connection.pumping = undefined;
      this.#send(connection);
    });
  }

  #send(connection: Connection): void {
    const { random, engine } = this.#options;
    if (!connection.open || connection.cursor === undefined) return;
    const burst: Buffer[][] = [];
    const most = 1 + random.below(BURST_MAX);
    while (burst.length < most && connection.queued < this.#highWaterMark) {
      const frames = engine.framesOf(connection.cursor);
      if (!frames) break;
      burst.push([...frames]);
      connection.cursor += 1n;
      connection.queued += 1;
    }
    if (burst.length === 0) return;
    this.#deliver(connection, burst, random.between(0.1, 2));
    this.pump(connection);
  }

  #deliver(connection: Connection, burst: readonly Buffer[][], latencyMs: number): void {
    const { scheduler } = this.#options;
    const atMs = Math.max(connection.arrivesMs, scheduler.nowMs + latencyMs);
    connection.arrivesMs = atMs;
    const planned = scheduler.in(connection.process, atMs - scheduler.nowMs, () => {
      connection.onItsWay.delete(planned);
      for (const frames of burst) connection.pull.deliver(frames);
    });
    connection.onItsWay.add(planned);
  }

  /** Cuts a connection. What was on its way is lost, or comes behind the new connection's messages. */
  reset(connection: Connection, late: boolean): boolean {
    const { scheduler, random } = this.#options;
    const lost = connection.onItsWay.size > 0;
    for (const planned of connection.onItsWay) {
      const { action } = planned;
      planned.cancel();
      if (late && action) scheduler.in(connection.process, random.between(50, 800), action);
    }
    connection.onItsWay.clear();
    const cursor = connection.cursor;
    connection.cursor = undefined;
    connection.pumping?.cancel();
    connection.pumping = undefined;
    connection.queued = 0;
    connection.pull.tell('disconnect');
    scheduler.in(connection.process, random.between(50, 500), () => {
      connection.pull.tell('connect');
      if (!connection.open) return;
      if (random.chance(0.5) && cursor !== undefined) connection.cursor = cursor;
      else this.resend(connection);
      this.pump(connection);
    });
    return lost;
  }
}
