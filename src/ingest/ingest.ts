/**
 * The ingest of one stream: socket → decoding → sequence check → intake → partitions → Updates → watermark. It
 * acknowledges nothing that is not settled, keeps what it cannot decode, and reads on only while there is room for
 * more events in flight (I6, I7). It ends when it is closed, or with a {@link Stop} that names the place.
 */
import type { Client as TemporalClient } from '@temporalio/client';
import type { Client as CassandraClient } from 'cassandra-driver';
import { setTimeout as sleep } from 'node:timers/promises';
import { rowOf } from '../domain/chunk.ts';
import { eventId, type SettlementEvent } from '../domain/event.ts';
import { legsOf, touchesOf, type Touch } from '../domain/legs.ts';
import { partitionOfEvent } from '../domain/partition.ts';
import { writeRejected } from '../ledger/rejected.ts';
import { readLease } from '../ledger/leases.ts';
import { CassandraStorage } from '../ledger/storage.ts';
import { readLine, writeLines } from '../ledger/stream-log.ts';
import { writeStopped, writeWatermark } from '../ledger/streams.ts';
import type { Logger } from '../logging/index.ts';
import { decodeMessage, type Decoded } from '../wire/decode.ts';
import type { Dialect } from '../wire/message.ts';
import {
  PARTITION_LIMITS,
  UPDATES_IN_FLIGHT_MAX,
  type Halt,
  type PartitionLimits,
} from '../workflows/contract.ts';
import { ClassicAdapter } from './classic.ts';
import { FollowedBalances } from './followed-balances.ts';
import { Intake } from './intake.ts';
import { NumberedSequence } from './numbered.ts';
import { openIngestStream, type Opening } from './opening.ts';
import { PartitionLane, type ChunkBounds, type LaneEvent } from './partition-lane.ts';
import { Receiver } from './receiver.ts';
import { StreamStopped, type Stop } from './stop.ts';
import { UpdateSender } from './update-sender.ts';
import { Watermark } from './watermark.ts';

/** What an ingest is made of. */
export interface IngestOptions {
  readonly cassandra: CassandraClient;
  readonly temporal: TemporalClient;
  readonly log: Logger;
  readonly stream: string;
  readonly dialect: Dialect;
  readonly partitions: number;
  readonly endpoint: string;
  readonly bind: boolean;
  readonly taskQueue: string;
  /** Who runs it, for people: host and process id. */
  readonly holder: string;
  readonly maxInFlightEvents: number;
  readonly receiveHighWaterMark: number;
  readonly chunk: ChunkBounds;
  readonly limits?: PartitionLimits;
  /** Divisor of price × quantity for an instrument; 1 where none is configured. */
  divisorOf(base: number, quote: number): bigint;
  /** How long events in flight may take to settle when the ingest ends, ms. @default 30 000 */
  readonly drainMsMax?: number;
}

/** What an ingest has done so far. Sequences are decimal strings. */
export interface IngestProgress {
  /** Messages received, whatever became of them. */
  readonly messages: number;
  readonly accepted: number;
  readonly duplicates: number;
  /** Rejected messages by reason. */
  readonly rejected: Readonly<Record<string, number>>;
  /** Fields that no message should have. */
  readonly unknownFields: number;
  readonly inFlight: number;
  readonly watermark: string;
  /** Partitions that wait for a person. */
  readonly halted: readonly { readonly partition: number; readonly halt: Halt }[];
}

/** How an ingest ended. */
export type IngestEnding = {
  readonly kind: 'closed' | 'stopped';
  readonly stop?: Stop;
  /** Events that were not settled within the time allowed for it. */
  readonly unsettled: number;
  readonly progress: IngestProgress;
};

/** Feeds one stream. */
export class Ingest {
  readonly #options: IngestOptions;
  readonly #receiver: Receiver;
  readonly #opening: Opening;
  readonly #sequence: NumberedSequence | ClassicAdapter;
  readonly #followed = new FollowedBalances();
  readonly #intake: Intake<{ partition: number; event: LaneEvent }>;
  readonly #lanes: readonly PartitionLane[];
  readonly #sender: UpdateSender;
  readonly #watermark: Watermark;
  /** Balances touched by each event in flight. */
  readonly #touches = new Map<bigint, readonly Touch[]>();
  readonly #halted = new Map<number, Halt>();
  readonly #rejected: Record<string, number> = {};
  #messages = 0;
  #accepted = 0;
  #duplicates = 0;
  #unknownFields = 0;
  #closing = false;
  #stopped: StreamStopped | undefined;

  private constructor(
    options: IngestOptions,
    storage: CassandraStorage,
    opening: Opening,
    receiver: Receiver,
  ) {
    const { cassandra, stream, log } = options;
    this.#options = options;
    this.#opening = opening;
    this.#receiver = receiver;
    this.#sequence =
      options.dialect === 'numbered'
        ? new NumberedSequence({ ...opening, readLine: (sequence) => readLine(cassandra, stream, sequence) })
        : new ClassicAdapter({
            lastSequence: opening.watermark,
            lastTradeNumber: opening.lastTradeNumber,
            readBalances: (keys) => storage.readBalances(keys),
            readTradeDigest: async (trade) =>
              (await storage.readEventRows(stream, [{ event: trade, digest: Buffer.alloc(0) }]))[0]?.digest,
          });
    this.#watermark = new Watermark(opening.watermark, (watermark) =>
      writeWatermark(cassandra, stream, watermark),
    );
    this.#sender = new UpdateSender({
      client: options.temporal,
      taskQueue: options.taskQueue,
      limits: options.limits ?? PARTITION_LIMITS,
      pause: (ms) => sleep(ms),
      onRetry: (chunk, problem) => {
        log.warn(
          { partition: chunk.partition, first: chunk.first, last: chunk.last, problem },
          'sending the chunk again',
        );
      },
      onStop: (stopped) => {
        this.#stop(stopped);
      },
    });
    this.#intake = new Intake({
      write: (lines) => this.#writeLines(lines),
      release: (items) => {
        for (const { partition, event } of items) this.#lanes[partition]?.push(event);
      },
      onRetry: (error, first, last) => {
        log.warn(
          { first: `${first}`, last: `${last}`, problem: String(error) },
          'writing the stream log again',
        );
      },
    });
    this.#lanes = Array.from({ length: options.partitions }, (_, partition) => this.#lane(partition));
  }

  /**
   * Opens the stream and then the socket.
   *
   * @throws StreamMismatchError, UnfinishedStreamError (opening.ts), or Error if the endpoint cannot be opened
   */
  static async open(options: IngestOptions): Promise<Ingest> {
    const storage = new CassandraStorage(options.cassandra);
    const opening = await openIngestStream({ ...options, storage, unfinishedMsMax: 45_000 });
    const receiver = await Receiver.open({
      endpoint: options.endpoint,
      bind: options.bind,
      highWaterMark: options.receiveHighWaterMark,
      onConnection: (change, address) => {
        options.log.info({ address }, `connection ${change}`);
      },
    });
    return new Ingest(options, storage, opening, receiver);
  }

  /** Where the socket is bound or connected to. */
  get endpoint(): string {
    return this.#receiver.endpoint;
  }

  /** Fencing number of this ingest. */
  get lease(): bigint {
    return this.#opening.lease;
  }

  /** What it has done so far. */
  get progress(): IngestProgress {
    return {
      messages: this.#messages,
      accepted: this.#accepted,
      duplicates: this.#duplicates,
      rejected: { ...this.#rejected },
      unknownFields: this.#unknownFields,
      inFlight: this.#inFlight,
      watermark: this.#watermark.persisted.toString(),
      halted: [...this.#halted].map(([partition, halt]) => ({ partition, halt })),
    };
  }

  get #inFlight(): number {
    return Number(this.#sequence.received - this.#watermark.persisted);
  }

  /** Ends the reading; {@link run} returns when what is in flight is settled, or its time is over. */
  close(): void {
    this.#closing = true;
    this.#receiver.close();
    this.#watermark.wake();
  }

  /** Reads the stream until it is closed or stops. */
  async run(): Promise<IngestEnding> {
    try {
      while (!this.#closing) {
        const frames = await this.#receiver.receive();
        if (!frames) break;
        this.#messages += 1;
        await this.#take(frames);
        while (this.#inFlight >= this.#options.maxInFlightEvents && !this.#closing)
          await this.#watermark.advance();
      }
    } catch (error) {
      if (!(error instanceof StreamStopped)) throw error;
      this.#stop(error);
    } finally {
      this.close();
      await this.#drain();
    }
    return this.#end();
  }

  async #take(frames: readonly Buffer[]): Promise<void> {
    const { dialect } = this.#options;
    const receivedAtMs = Date.now();
    const decoded = decodeMessage(frames, dialect, {
      receivedAtMs,
      divisorOf: (base, quote) => this.#options.divisorOf(base, quote),
    });
    if (decoded.kind === 'rejected') {
      await this.#reject(frames, receivedAtMs, decoded);
      return;
    }
    this.#unknownFields += decoded.unknownFields.length;
    const { digest } = decoded;
    const admission = await this.#sequence.admit(decoded.event, digest);
    if (admission.kind === 'duplicate') {
      this.#duplicates += 1;
      return;
    }
    if (admission.kind === 'phantom-lock') {
      const faults = [
        `phantom-lock: amount above available ${admission.available}: the engine announced a lock that it refused`,
      ];
      await this.#reject(frames, receivedAtMs, { kind: 'rejected', reason: 'phantom-lock', faults });
      return;
    }
    this.#accept(admission.event, digest);
  }

  #accept(event: SettlementEvent, digest: Buffer): void {
    const touches = touchesOf(legsOf(event));
    const predecessors = this.#followed.accept(event, touches);
    this.#sequence.accepted(event, digest);
    this.#touches.set(event.sequence, touches);
    this.#accepted += 1;
    this.#intake.add(
      { sequence: event.sequence, kind: event.kind, id: eventId(event), digest, lease: this.#opening.lease },
      {
        partition: partitionOfEvent(event, this.#options.partitions),
        event: {
          sequence: event.sequence,
          isTrade: event.kind === 'trade',
          row: rowOf({ event, predecessors }),
        },
      },
    );
  }

  /** Writes lines; the lease is looked at after they are acknowledged, so that none of a former ingest goes on (I1b). */
  async #writeLines(lines: Parameters<typeof writeLines>[2]): Promise<void> {
    const { cassandra, stream } = this.#options;
    await writeLines(cassandra, stream, lines);
    const newest = await readLease(cassandra, stream);
    if (newest === this.#opening.lease) return;
    const stopped = new StreamStopped({
      reason: 'lease-lost',
      sequence: (lines[0]?.sequence ?? 0n).toString(),
      message: `another ingest took the stream over (lease ${newest}, ours is ${this.#opening.lease}): run one ingest a stream`,
    });
    this.#stop(stopped);
    this.#intake.close();
    throw stopped;
  }

  /** Keeps a message that is no valid event. In a numbered stream one whose sequence can be read stops it (I6). */
  async #reject(
    frames: readonly Buffer[],
    receivedAtMs: number,
    rejected: Extract<Decoded, { kind: 'rejected' }>,
  ): Promise<void> {
    const { cassandra, stream, log } = this.#options;
    const { reason, faults, sequence } = rejected;
    const afterSequence = this.#sequence.received;
    const message = {
      stream,
      receivedAtMs,
      lease: this.#opening.lease,
      arrival: BigInt(this.#messages),
      reason,
      faults,
      sequence,
      afterSequence,
      frames,
    };
    for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 5_000)) {
      try {
        await writeRejected(cassandra, message);
        break;
      } catch (error) {
        log.warn({ problem: String(error) }, 'keeping a rejected message again');
        if (this.#closing) throw error;
        await sleep(delayMs);
      }
    }
    this.#rejected[reason] = (this.#rejected[reason] ?? 0) + 1;
    log.warn(
      {
        reason,
        faults,
        arrival: this.#messages,
        afterSequence: `${afterSequence}`,
        ...(sequence === undefined ? {} : { sequence: `${sequence}` }),
      },
      'message rejected and kept',
    );
    if (this.#options.dialect === 'numbered' && sequence !== undefined)
      throw new StreamStopped({
        reason: 'rejected',
        sequence: sequence.toString(),
        message:
          `the message with sequence ${sequence} is no valid event: ${faults.join('; ')}. It is kept in ` +
          `rejected_messages. Let the engine send it again, corrected, then start the ingest again`,
      });
  }

  #lane(partition: number): PartitionLane {
    const { stream, chunk, log } = this.#options;
    return new PartitionLane({
      stream,
      partition,
      lease: this.#opening.lease,
      bounds: chunk,
      updatesMax: UPDATES_IN_FLIGHT_MAX,
      send: (one) => this.#sender.send(one),
      settled: (sequences) => {
        for (const sequence of sequences) {
          this.#followed.release(this.#touches.get(sequence) ?? []);
          this.#touches.delete(sequence);
          this.#watermark.settled(sequence);
        }
      },
      halted: (halt) => {
        if (halt && this.#halted.get(partition)?.since !== halt.since)
          log.error(
            { partition, ...halt.conflict, since: halt.since },
            'partition halted: a person must look',
          );
        if (halt) this.#halted.set(partition, halt);
        else this.#halted.delete(partition);
      },
      untilResumed: (halt) => this.#sender.untilResumed(stream, partition, halt),
      pause: (ms) => sleep(ms),
    });
  }

  #stop(stopped: StreamStopped): void {
    if (this.#stopped) return;
    this.#stopped = stopped;
    this.#options.log.error({ ...stopped.stop }, 'stream stopped');
    this.close();
  }

  /** Waits for what is in flight. A partition that waits for a person is not waited for. */
  async #drain(): Promise<void> {
    const deadline = Date.now() + (this.#options.drainMsMax ?? 30_000);
    const lost = (): boolean =>
      this.#stopped?.stop.reason === 'lease-lost' || this.#stopped?.stop.reason === 'bad-chunk';
    while (this.#inFlight > 0 && Date.now() < deadline && !lost() && this.#halted.size === 0)
      await Promise.race([this.#watermark.advance(), sleep(200)]);
    this.#intake.close();
    this.#sender.close();
    for (const lane of this.#lanes) lane.close();
  }

  async #end(): Promise<IngestEnding> {
    const { cassandra, stream, log } = this.#options;
    const stop = this.#stopped?.stop;
    if (stop && stop.reason !== 'lease-lost')
      await writeStopped(cassandra, stream, JSON.stringify(stop)).catch((error: unknown) => {
        log.warn({ problem: String(error) }, 'why the stream stopped could not be recorded');
      });
    const unsettled = this.#inFlight;
    if (unsettled > 0)
      log.warn({ unsettled }, 'events in flight at the end; the next ingest goes on after the watermark');
    return {
      kind: stop ? 'stopped' : 'closed',
      ...(stop ? { stop } : {}),
      unsettled,
      progress: this.progress,
    };
  }
}
