/**
 * A lane: the events of one partition on their way to its workflow. Chunks leave in order, one Update at a time; what
 * an Update leaves unsettled stands at the front of the next chunk. A lone event leaves at once; under load chunks grow
 * up to their bounds.
 */
import { LEDGER_COLUMNS, TRADE_COLUMNS } from '../domain/chunk.ts';
import type { Chunk, Halt, SettleResult, WaitingReport } from '../workflows/contract.ts';
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
  /** Sends one chunk until it has a result. */
  send(chunk: Chunk): Promise<SentChunk>;
  /** Told of sequences that are settled. */
  settled(sequences: readonly bigint[]): void;
  /** Told when the partition halts, and when it goes on (undefined). */
  halted(halt: Halt | undefined): void;
  /** Resolves when it is worth sending to a halted partition again. */
  untilResumed(halt: Halt): Promise<void>;
  pause(ms: number): Promise<void>;
}

const BEHIND_PAUSE_MS = 50;
const UNAVAILABLE_PAUSE_MS = 1_000;

/** Feeds one partition. */
export class PartitionLane {
  readonly #options: LaneOptions;
  #queue: LaneEvent[] = [];
  #try = 0;
  #sending = false;
  #closed = false;
  #halt: Halt | undefined;
  #waiting: readonly WaitingReport[] = [];

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Events that are not settled. */
  get length(): number {
    return this.#queue.length;
  }

  /** What the last Update left waiting. */
  get waiting(): readonly WaitingReport[] {
    return this.#waiting;
  }

  /** Takes the partition's next event. */
  push(event: LaneEvent): void {
    this.#queue.push(event);
    if (!this.#sending) {
      this.#sending = true;
      // In the next turn: events that are released together leave together.
      setImmediate(() => void this.#run());
    }
  }

  /** Sends nothing more. An Update under way ends by itself. */
  close(): void {
    this.#closed = true;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0 && !this.#closed) {
      const events = this.#take();
      const sent = await this.#options.send(this.#chunk(events));
      if (sent.kind === 'given-up') return;
      this.#note(events, sent.result);
      await this.#pauseAfter(sent.result);
    }
    this.#sending = false;
  }

  #take(): LaneEvent[] {
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
    return this.#queue.slice(0, count);
  }

  #chunk(events: readonly LaneEvent[]): Chunk {
    const { stream, partition, lease } = this.#options;
    const rows = (isTrade: boolean): string[] =>
      events.filter((event) => event.isTrade === isTrade).map((event) => event.row);
    return {
      stream,
      partition,
      lease: lease.toString(),
      first: (events[0]?.sequence ?? 0n).toString(),
      last: (events.at(-1)?.sequence ?? 0n).toString(),
      try: this.#try,
      trades: { columns: TRADE_COLUMNS, rows: rows(true) },
      ledgerEvents: { columns: LEDGER_COLUMNS, rows: rows(false) },
    };
  }

  #note(events: readonly LaneEvent[], result: SettleResult): void {
    const remaining = new Set(result.remaining);
    const isLeft = (event: LaneEvent): boolean => remaining.has(event.sequence.toString());
    const left = events.filter(isLeft);
    this.#queue.splice(0, events.length, ...left);
    this.#try = left.length > 0 ? this.#try + 1 : 0;
    this.#waiting = result.waiting;
    if (result.halt !== undefined || this.#halt !== undefined) {
      this.#halt = result.halt;
      this.#options.halted(result.halt);
    }
    this.#options.settled(events.filter((event) => !isLeft(event)).map((event) => event.sequence));
  }

  async #pauseAfter(result: SettleResult): Promise<void> {
    if (result.halt) await this.#options.untilResumed(result.halt);
    else if (result.outcome === 'behind') await this.#options.pause(BEHIND_PAUSE_MS);
    else if (result.outcome === 'unavailable') await this.#options.pause(UNAVAILABLE_PAUSE_MS);
  }
}
