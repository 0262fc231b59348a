/**
 * The simulated network: connections between sockets that are bound and sockets that connect. Messages of one connection
 * arrive in order or not at all. One that is cut loses what was on its way, or brings it behind the next one's messages;
 * whoever connected tries again. A process that dies takes its connections with it.
 */
import type { Pull, Push, Socket } from './modules/zeromq.ts';
import type { Random } from './random.ts';
import type { Planned, Process, Scheduler } from './scheduler.ts';

type Frames = Buffer[];

/** How a network is made. */
export interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Told whenever a socket asks for its next message. */
  onAsked(process: Process): void;
  /** Told of each message that is sent towards an engine. */
  readonly onControl: (frames: Frames) => void;
  readonly trace: (text: () => string) => void;
}

/** A direction of a connection. */
interface Way {
  /** Sent, and not on its way yet. */
  gathered: Frames[];
  readonly onItsWay: Set<Planned>;
  arrivesMs: number;
}

/** One connection. */
export interface Link {
  readonly number: number;
  readonly connector: Socket;
  readonly bound: Socket;
  readonly endpoint: string;
  open: boolean;
  /** Messages sent to the connector and not yet taken out of its buffer. */
  queued: number;
  readonly toConnector: Way;
  readonly toBound: Way;
}

const newWay = (): Way => ({ gathered: [], onItsWay: new Set(), arrivesMs: 0 });

/** All sockets and connections. */
export class Network {
  /** A message with this number is never sent: its engine does not have it, whatever it says. */
  withheld: bigint | undefined;
  /** The next messages on their way to an ingest get lost with their connection. */
  loseNext = false;
  readonly #options: NetworkOptions;
  readonly #highWaterMark: number;
  readonly #bound = new Map<string, Socket>();
  readonly #links = new Set<Link>();
  #numbers = 0;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#highWaterMark = options.random.pick([10, 100, 1_000]);
  }

  /** In which process sockets are being made. */
  get currentProcess(): Process {
    return this.#options.scheduler.current;
  }

  /** Connections over which an engine sends its stream. */
  get dataLinks(): readonly Link[] {
    return [...this.#links].filter(({ bound }) => 'room' in bound);
  }

  bind(socket: Socket, endpoint: string): void {
    this.#bound.set(endpoint, socket);
  }

  connect(socket: Socket, endpoint: string): void {
    const { scheduler, random } = this.#options;
    scheduler.in(socket.process, random.between(0.5, 5), () => {
      if (socket.closed || socket.links.length > 0) return;
      const bound = this.#bound.get(endpoint);
      if (bound?.process.alive && !bound.closed && bound.process.stalledUntilMs <= scheduler.nowMs)
        this.#join(socket, bound, endpoint);
      else
        scheduler.in(socket.process, random.between(50, 400), () => {
          this.connect(socket, endpoint);
        });
    });
  }

  /** A socket was closed. */
  closed(socket: Socket): void {
    for (const link of this.#links)
      if (link.connector === socket || link.bound === socket) this.cut(link, 'lost');
  }

  /** A process was killed. */
  died(process: Process): void {
    for (const link of this.#links)
      if (link.connector.process === process || link.bound.process === process)
        this.cut(link, this.#options.random.chance(0.5) ? 'lost' : 'late');
  }

  asked(socket: Socket): void {
    this.#options.onAsked(socket.process);
  }

  hasRoom(link: Link): boolean {
    return link.open && link.queued < this.#highWaterMark;
  }

  /** The connector has taken a message out of its buffer. */
  taken(link: Link): void {
    link.queued -= 1;
    if (link.queued > this.#highWaterMark / 2 || !link.open || !('room' in link.bound)) return;
    const { scheduler } = this.#options;
    scheduler.in(link.bound.process, 0.2, () => {
      (link.bound as Push).room();
    });
  }

  /** Sends a message over a connection. */
  send(link: Link, from: Socket, frames: Frames): void {
    const { random, scheduler, onControl } = this.#options;
    if (!link.open) return;
    const isToConnector = from === link.bound;
    if (!isToConnector) onControl(frames);
    else if (this.#isWithheld(frames)) return;
    const way = isToConnector ? link.toConnector : link.toBound;
    way.gathered.push(frames);
    if (isToConnector) link.queued += 1;
    if (way.gathered.length > 1) return;
    scheduler.in(scheduler.world, random.between(0.05, 1), () => {
      this.#carry(link, way);
    });
  }

  /** Cuts a connection: what was on its way is lost, or comes behind the next one's messages. True if there was any. */
  cut(link: Link, how: 'lost' | 'late'): boolean {
    const { scheduler, random, trace } = this.#options;
    if (!link.open) return false;
    link.open = false;
    this.#links.delete(link);
    let some = false;
    for (const way of [link.toConnector, link.toBound]) {
      some ||= way.onItsWay.size > 0 || way.gathered.length > 0;
      way.gathered = [];
      for (const planned of way.onItsWay) {
        const { action, process } = planned;
        planned.cancel();
        if (how === 'late' && action) scheduler.in(process, random.between(20, 800), action);
      }
    }
    trace(() => `connection ${link.number} to ${link.endpoint} is cut`);
    for (const socket of [link.connector, link.bound]) {
      socket.removed(link);
      if (socket.closed) continue;
      scheduler.in(socket.process, random.between(0.5, 20), () => {
        socket.tell('disconnect');
        if (socket === link.connector) socket.tell('connect:retry');
      });
    }
    if (!link.connector.closed)
      scheduler.in(link.connector.process, random.between(50, 500), () => {
        this.connect(link.connector, link.endpoint);
      });
    return some;
  }

  /** Lets a message come over a connection as if its engine had sent it. */
  inject(link: Link, frames: Frames): void {
    this.send(link, link.bound, frames);
  }

  #isWithheld([, data]: Frames): boolean {
    if (this.withheld === undefined || !data) return false;
    const { withheld } = this;
    return data.includes(`"output_sequence":${withheld},`) || data.includes(`"sequence_id":${withheld},`);
  }

  #join(connector: Socket, bound: Socket, endpoint: string): void {
    const { scheduler, random, trace } = this.#options;
    this.#numbers += 1;
    const link: Link = {
      number: this.#numbers,
      connector,
      bound,
      endpoint,
      open: true,
      queued: 0,
      toConnector: newWay(),
      toBound: newWay(),
    };
    this.#links.add(link);
    trace(() => `connection ${link.number} to ${endpoint} from ${connector.process.name}`);
    for (const socket of [bound, connector])
      scheduler.in(socket.process, random.between(0.1, 3), () => {
        if (!link.open || socket.closed) return;
        socket.added(link);
        socket.tell(socket === bound ? 'accept' : 'connect');
        socket.tell('handshake');
      });
  }

  #carry(link: Link, way: Way): void {
    const { scheduler, random } = this.#options;
    if (!link.open || way.gathered.length === 0) return;
    const messages = way.gathered;
    way.gathered = [];
    const isToConnector = way === link.toConnector;
    if (isToConnector && this.loseNext && 'room' in link.bound) {
      this.loseNext = false;
      this.cut(link, 'lost');
      return;
    }
    const to = isToConnector ? link.connector : link.bound;
    const atMs = Math.max(way.arrivesMs, scheduler.nowMs + random.between(0.1, 2));
    way.arrivesMs = atMs;
    const planned = scheduler.in(to.process, atMs - scheduler.nowMs, () => {
      way.onItsWay.delete(planned);
      to.deliver(messages, link);
    });
    way.onItsWay.add(planned);
  }
}

export type { Pull };
