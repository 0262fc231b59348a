/**
 * The way out of an ingest: one lane a partition, all fed by one sender. It says which events are settled, which
 * partitions wait for a person, and what a person must know meanwhile.
 */
import type { Client } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../logging/index.ts';
import { UPDATES_IN_FLIGHT_MAX, type Halt, type PartitionLimits } from '../workflows/contract.ts';
import { PartitionLane, type ChunkBounds, type LaneEvent } from './partition-lane.ts';
import { Rounds } from './rounds.ts';
import type { StreamStopped } from './stop.ts';
import { UpdateSender } from './update-sender.ts';

/** Events a partition, on average, that make a round full: an Update costs about a dozen events of history. */
const FULL_CHUNK_EVENTS = 300;
/** A round is full, too, with this share of what may be in flight: two are under way, and the next one gathers. */
const FULL_SHARE = 0.45;

/** What a dispatch is made of. */
export interface DispatchOptions {
  readonly client: Client;
  readonly log: Logger;
  readonly stream: string;
  readonly partitions: number;
  readonly lease: bigint;
  readonly taskQueue: string;
  readonly limits: PartitionLimits;
  readonly chunk: ChunkBounds;
  /** Events received and not yet settled, at most. */
  readonly maxInFlightEvents: number;
  /** False where nothing may be sent any more: the lease ran out. */
  mayBeSent(): boolean;
  /** Told of sequences that are settled. */
  settled(sequences: readonly bigint[]): void;
  /** Told of what ends the stream. */
  onStop(stopped: StreamStopped): void;
}

/** An event and the partition that owns it. */
export interface Routed {
  readonly partition: number;
  readonly event: LaneEvent;
}

/** Sends the events of one stream to its partitions. */
export class Dispatch {
  readonly #options: DispatchOptions;
  readonly #sender: UpdateSender;
  readonly #lanes: readonly PartitionLane[];
  readonly #rounds: Rounds;
  readonly #halted = new Map<number, Halt>();

  constructor(options: DispatchOptions) {
    const { client, log, taskQueue, limits } = options;
    this.#options = options;
    this.#sender = new UpdateSender({
      client,
      taskQueue,
      limits,
      pause: (ms) => sleep(ms),
      mayBeSent: () => options.mayBeSent(),
      onRetry: ({ partition, first, last }, problem) => {
        log.warn({ partition, first, last, problem }, 'sending the chunk again');
      },
      onStop: (stopped) => {
        options.onStop(stopped);
      },
    });
    this.#lanes = Array.from({ length: options.partitions }, (_, partition) => this.#lane(partition));
    this.#rounds = new Rounds({
      cut: () => this.#lanes.flatMap((lane) => lane.cut()),
      gathered: () => this.#lanes.reduce((sum, lane) => sum + lane.gathered, 0),
      full: Math.min(options.partitions * FULL_CHUNK_EVENTS, options.maxInFlightEvents * FULL_SHARE),
      roundsMax: UPDATES_IN_FLIGHT_MAX,
      pause: (ms) => sleep(ms, undefined, { ref: false }),
    });
  }

  /** Partitions that wait for a person. */
  get halted(): { readonly partition: number; readonly halt: Halt }[] {
    return [...this.#halted].map(([partition, halt]) => ({ partition, halt }));
  }

  /** Takes the next events of the stream. */
  push(events: readonly Routed[]): void {
    for (const { partition, event } of events) this.#lanes[partition]?.push(event);
    this.#rounds.wake();
  }

  /** Nothing more will come: what has gathered, and what is still released, is sent on at once. */
  hurry(): void {
    this.#rounds.hurry();
  }

  /** Sends nothing more. */
  close(): void {
    this.#sender.close();
    for (const lane of this.#lanes) lane.close();
  }

  #lane(partition: number): PartitionLane {
    const { stream, lease, chunk, log } = this.#options;
    return new PartitionLane({
      stream,
      partition,
      lease,
      bounds: chunk,
      updatesMax: UPDATES_IN_FLIGHT_MAX,
      send: (one) => this.#sender.send(one),
      settled: (sequences) => {
        this.#options.settled(sequences);
      },
      halted: (halt) => {
        this.#note(partition, halt);
      },
      unavailable: (problem) => {
        log.warn(
          { partition, problem },
          'an attempt failed: the worker or its storage did not answer; sending again',
        );
      },
      untilResumed: (halt) => this.#sender.untilResumed(stream, partition, halt),
      free: () => {
        this.#rounds.wake();
      },
      pause: (ms) => sleep(ms),
    });
  }

  #note(partition: number, halt: Halt | undefined): void {
    const { log } = this.#options;
    const before = this.#halted.get(partition);
    if (halt) this.#halted.set(partition, halt);
    else this.#halted.delete(partition);
    if (halt && before?.since !== halt.since)
      log.error({ partition, ...halt.conflict, since: halt.since }, 'partition halted: a person must look');
    if (!halt && before) log.info({ partition }, 'partition goes on');
  }
}
