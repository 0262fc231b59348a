/**
 * A lane: the events of one partition on their way to its workflow. They leave in rounds (rounds.ts): what has gathered
 * becomes a chunk, or several within their bounds, in order and a few Updates at a time. What an Update leaves unsettled
 * is sent again before anything newer.
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
  /** Told when the lane may take part in a round again. */
  free(): void;
  pause(ms: number): Promise<void>;
}

const BEHIND_PAUSE_MS = 50;
const UNAVAILABLE_PAUSE_MS = 1_000;

/** Events that travel together. */
interface Parcel {
  readonly events: readonly LaneEvent[];
  /** Grows only when a remainder is sent again. */
  readonly try: number;
  /** Told when it has been sent and came back, settled or not. */
  readonly cameBack?: () => void;
}

/** Feeds one partition. */
export class PartitionLane {
  readonly #options: LaneOptions;
  /** Events that gather for the next round, in order. */
  #queue: LaneEvent[] = [];
  /** Chunks of this round or an earlier one that were never sent, in order. */
  readonly #fresh: Parcel[] = [];
  /** What Updates left unsettled. */
  readonly #remainders: Parcel[] = [];
  readonly #underWay = new Set<Parcel>();
  #pumping = false;
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
    const parcels = [...this.#remainders, ...this.#fresh, ...this.#underWay];
    return parcels.reduce((sum, parcel) => sum + parcel.events.length, this.#queue.length);
  }

  /** Events that wait for the next round. */
  get gathered(): number {
    return this.#queue.length;
  }

  /** Takes the partition's next event. It leaves with the next round: {@link cut}. */
  push(event: LaneEvent): void {
    this.#queue.push(event);
  }

  /**
   * Sends what has gathered, unless the partition waits for a person or has enough to do: then it gathers on.
   *
   * @returns one promise a chunk, resolved when it came back, settled or not
   */
  cut(): Promise<void>[] {
    const backlog = this.#underWay.size + this.#fresh.length + this.#remainders.length;
    if (this.#closed || this.#halt || backlog >= this.#options.updatesMax) return [];
    const chunks: Promise<void>[] = [];
    for (let from = 0; from < this.#queue.length;) {
      const to = from + this.#countFrom(from);
      const events = this.#queue.slice(from, to);
      chunks.push(
        new Promise((resolve) => {
          this.#fresh.push({ events, try: 0, cameBack: resolve });
        }),
      );
      from = to;
    }
    this.#queue = [];
    if (chunks.length > 0) this.#pump();
    return chunks;
  }

  /** Sends nothing more. An Update under way ends by itself. */
  close(): void {
    this.#closed = true;
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      while (!this.#closed && !this.#halt && this.#underWay.size < this.#options.updatesMax) {
        const parcel = this.#remainders.shift() ?? this.#fresh.shift();
        if (!parcel) break;
        void this.#run(parcel);
      }
      this.#options.free();
    });
  }

  /** How many events from there on fit one chunk: one at least. */
  #countFrom(from: number): number {
    const { eventsMax, bytesMax } = this.#options.bounds;
    let bytes = 0;
    let count = 0;
    while (count < eventsMax) {
      const next = this.#queue[from + count];
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
    parcel.cameBack?.();
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
