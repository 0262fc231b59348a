/**
 * A lane: the events of one partition on their way to its workflow. Chunks leave in order, a few Updates at a time, so
 * that what other partitions wait for is not kept back by an Update under way; what an Update leaves unsettled is sent
 * again before anything newer. A lone event leaves at once; under load chunks grow up to their bounds.
 */
import { LEDGER_COLUMNS, TRADE_COLUMNS } from '../domain/chunk.ts';
import type { Chunk, Halt, SettleResult } from '../workflows/contract.ts';
import type { SentChunk } from './update-sender.ts';

/** An event in a lane. */
export interface LaneEvent {
  readonly sequence: bigint;
  readonly isTrade: boolean;
  /** domain/chunk.ts */
  readonly row: string;
}

/** Bounds of a chunk. */
export interface ChunkBounds {
  readonly eventsMax: number;
  readonly bytesMax: number;
}

/** What a lane needs of its surroundings. */
export interface LaneOptions {
  readonly stream: string;
  readonly partition: number;
  readonly lease: bigint;
  readonly bounds: ChunkBounds;
  /** Updates under way at once. */
  readonly updatesMax: number;
  /** Sends one chunk until it has a result. */
  send(chunk: Chunk): Promise<SentChunk>;
  /** Told of sequences that are settled. */
  settled(sequences: readonly bigint[]): void;
  /** Told when the partition halts, and when it goes on (undefined). */
  halted(halt: Halt | undefined): void;
  /** Told why a worker could not reach its storage within an Update. */
  unavailable(problem: string): void;
  /** Resolves when it is worth sending to a halted partition again. */
  untilResumed(halt: Halt): Promise<void>;
  pause(ms: number): Promise<void>;
}

const BEHIND_PAUSE_MS = 50;
const UNAVAILABLE_PAUSE_MS = 1_000;
/** While Updates are under way, events wait so long for others to share their chunk. */
const GATHER_MS_MAX = 100;

/** Events that travel together. */
interface Parcel {
  readonly events: readonly LaneEvent[];
  /** Grows only when a remainder is sent again. */
  readonly try: number;
}

/** Feeds one partition. */
export class PartitionLane {
  readonly #options: LaneOptions;
  /** Events that were never sent, in order. */
  readonly #queue: LaneEvent[] = [];
  /** What Updates left unsettled. */
  readonly #remainders: Parcel[] = [];
  readonly #underWay = new Set<Parcel>();
  #pumping = false;
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #gathered = false;
  #closed = false;
  /** Holds sending back until it is worth trying. */
  #halt: Halt | undefined;
  /** True until something that was sent after the halt shows that the partition goes on. */
  #isHalted = false;
  /** Halts so far: what was sent before the last one says nothing about now. */
  #halts = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Events that are not settled. */
  get length(): number {
    const parcels = [...this.#remainders, ...this.#underWay];
    return parcels.reduce((sum, parcel) => sum + parcel.events.length, this.#queue.length);
  }

  /** Takes the partition's next event. */
  push(event: LaneEvent): void {
    this.#queue.push(event);
    this.#pump();
  }

  /** Sends nothing more. An Update under way ends by itself. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#gathering);
  }

  /** Sends in the next turn: events that are released together leave together. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      while (!this.#closed && !this.#halt && this.#underWay.size < this.#options.updatesMax) {
        const parcel = this.#remainders.shift() ?? this.#fresh();
        if (!parcel) return;
        void this.#run(parcel);
      }
    });
  }

  /** The next chunk of new events, if there are enough of them, or the oldest has waited long enough. */
  #fresh(): Parcel | undefined {
    const { bounds, updatesMax } = this.#options;
    const enough = Math.ceil((bounds.eventsMax * this.#underWay.size) / updatesMax);
    if (this.#queue.length === 0) return undefined;
    if (this.#queue.length < enough && !this.#gathered) {
      this.#gathering ??= setTimeout(() => {
        this.#gathering = undefined;
        this.#gathered = true;
        this.#pump();
      }, GATHER_MS_MAX);
      return undefined;
    }
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#gathered = false;
    return { events: this.#queue.splice(0, this.#countOfNext()), try: 0 };
  }

  #countOfNext(): number {
    const { eventsMax, bytesMax } = this.#options.bounds;
    let bytes = 0;
    let count = 0;
    while (count < eventsMax) {
      const next = this.#queue[count];
      if (!next) break;
      bytes += next.row.length + 4;
      if (bytes > bytesMax && count > 0) break;
      count += 1;
    }
    return count;
  }

  async #run(parcel: Parcel): Promise<void> {
    this.#underWay.add(parcel);
    const haltsBefore = this.#halts;
    const sent = await this.#options.send(this.#chunk(parcel));
    if (sent.kind === 'given-up') return;
    const left = this.#note(parcel, sent.result);
    if (this.#isHalted && !sent.result.halt && haltsBefore === this.#halts) {
      this.#isHalted = false;
      this.#options.halted(undefined);
    }
    await this.#pauseAfter(sent.result);
    this.#underWay.delete(parcel);
    if (left.length > 0) this.#again({ events: left, try: parcel.try + 1 });
    this.#pump();
  }

  /** Queues a remainder; the lowest goes first, since others may wait for it. */
  #again(parcel: Parcel): void {
    this.#remainders.push(parcel);
    this.#remainders.sort((a, b) => Number((a.events[0]?.sequence ?? 0n) - (b.events[0]?.sequence ?? 0n)));
  }

  #chunk({ events, try: tries }: Parcel): Chunk {
    const { stream, partition, lease } = this.#options;
    const rows = (isTrade: boolean): string[] =>
      events.filter((event) => event.isTrade === isTrade).map((event) => event.row);
    return {
      stream,
      partition,
      lease: lease.toString(),
      first: (events[0]?.sequence ?? 0n).toString(),
      last: (events.at(-1)?.sequence ?? 0n).toString(),
      try: tries,
      trades: { columns: TRADE_COLUMNS, rows: rows(true) },
      ledgerEvents: { columns: LEDGER_COLUMNS, rows: rows(false) },
    };
  }

  /** Books a result; returns what is left of the parcel. */
  #note({ events }: Parcel, result: SettleResult): LaneEvent[] {
    const remaining = new Set(result.remaining);
    const isLeft = (event: LaneEvent): boolean => remaining.has(event.sequence.toString());
    this.#options.settled(events.filter((event) => !isLeft(event)).map((event) => event.sequence));
    return events.filter(isLeft);
  }

  async #pauseAfter(result: SettleResult): Promise<void> {
    if (result.halt) await this.#untilResumed(result.halt);
    else if (result.outcome === 'behind') await this.#options.pause(BEHIND_PAUSE_MS);
    else if (result.outcome === 'unavailable') {
      this.#options.unavailable(result.problem ?? 'no reason was given');
      await this.#options.pause(UNAVAILABLE_PAUSE_MS);
    }
  }

  async #untilResumed(halt: Halt): Promise<void> {
    this.#halt = halt;
    this.#isHalted = true;
    this.#halts += 1;
    this.#options.halted(halt);
    await this.#options.untilResumed(halt);
    if (this.#halt === halt) this.#halt = undefined;
  }
}
