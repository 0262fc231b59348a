/**
 * The ingest of one stream: socket → decoding → sequence check → intake → partitions → Updates → watermark. It
 * acknowledges nothing that is not settled, keeps what it cannot decode, and reads on only while there is room for
 * more events in flight (I6, I7). It ends when it is closed, or with a {@link Stop} that names the place.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RefusedPeers } from '../curve/refused.ts';
import { rowOf } from '../domain/chunk.ts';
import { describeEvent, eventId, type SettlementEvent } from '../domain/event.ts';
import { legsOf, touchesOf, type Touch } from '../domain/legs.ts';
import { partitionOfEvent } from '../domain/partition.ts';
import { readLease } from '../ledger/leases.ts';
import { writeRejected } from '../ledger/rejected.ts';
import { CassandraStorage } from '../ledger/storage.ts';
import { readLine, writeLines } from '../ledger/stream-log.ts';
import { readWatermark, writeStopped, writeWatermark } from '../ledger/streams.ts';
import { decodeMessage } from '../wire/decode.ts';
import { PARTITION_LIMITS } from '../workflows/contract.ts';
import { ClassicAdapter, type ClassicAdmission } from './classic.ts';
import { connectionLog, countingRefused, refusedPeers } from './connection-log.ts';
import { Dispatch, type Routed } from './dispatch.ts';
import { FollowedBalances } from './followed-balances.ts';
import { Intake } from './intake.ts';
import type { LeaseEnding } from './lease.ts';
import { isLeaseEnd, leaseBehind, leaseEnded } from './lease-end.ts';
import { LineWriter } from './line-writer.ts';
import { NumberedSequence, type Admission } from './numbered.ts';
import { openIngestStream, type Opening } from './opening.ts';
import type { IngestOptions } from './options.ts';
import type { IngestEnding, IngestProgress } from './progress.ts';
import { Receiver, type ConnectionChange } from './receiver.ts';
import { Recovery } from './recovery.ts';
import { rejectedStop, Rejects } from './rejects.ts';
import { repeat } from './repeat.ts';
import { Stillness } from './stillness.ts';
import { StreamStopped } from './stop.ts';
import { Watermark } from './watermark.ts';

export type { IngestOptions } from './options.ts';
export type { IngestEnding, IngestProgress } from './progress.ts';

const DRAIN_MS_MAX = 30_000;
const UNFINISHED_MS_MAX = 45_000;
/** Beside a halted partition, what is in flight is waited for only while something settles at least so often, ms. */
const HALTED_QUIET_MS_MAX = 3_000;

/** Feeds one stream. */
export class Ingest {
  readonly #options: IngestOptions;
  readonly #receiver: Receiver;
  readonly #opening: Opening;
  readonly #sequence: NumberedSequence | ClassicAdapter;
  readonly #followed = new FollowedBalances();
  readonly #rejects: Rejects;
  readonly #intake: Intake<Routed>;
  readonly #dispatch: Dispatch;
  readonly #watermark: Watermark;
  readonly #recovery: Recovery;
  readonly #stillness: Stillness;
  /** Balances touched by each event in flight. */
  readonly #touches = new Map<bigint, readonly Touch[]>();
  readonly #refused: RefusedPeers;
  #messages = 0;
  #accepted = 0;
  #duplicates = 0;
  #unknownFields = 0;
  #closing = false;
  #isReading = false;
  #settledAtMs = 0;
  #stopped: StreamStopped | undefined;
  /** The recording of why it stopped. */
  #recording: Promise<void> = Promise.resolve();

  private constructor(
    options: IngestOptions,
    storage: CassandraStorage,
    opening: Opening,
    receiver: Receiver,
    refused: RefusedPeers,
  ) {
    const { cassandra, stream, log } = options;
    const { lease, watermark } = opening;
    this.#options = options;
    this.#opening = opening;
    this.#receiver = receiver;
    this.#refused = refused;
    this.#sequence = sequenceOf(options, storage, opening);
    this.#watermark = new Watermark(watermark, async (reached) => {
      await writeWatermark(cassandra, stream, reached).catch((error: unknown) => {
        log.warn({ watermark: `${reached}`, problem: String(error) }, 'writing the watermark again');
        throw error;
      });
      // Only now: what is acknowledged is persisted (I7).
      this.#recovery.settled(reached);
    });
    this.#recovery = new Recovery({
      renew: () => this.#receiver.renew(),
      ...options,
      lease,
      limits: options.resumption,
      control:
        options.controlEndpoint === undefined ? undefined : { ...options, endpoint: options.controlEndpoint },
      received: () => this.#sequence.received,
      persisted: () => this.#watermark.persisted,
      isReading: () => this.#isReading,
      readLease: () => readLease(cassandra, stream),
      readWatermark: () => readWatermark(cassandra, stream),
      stop: (stopped) => {
        this.#stop(stopped);
      },
    });
    this.#stillness = new Stillness({
      log,
      inFlight: () => this.#inFlight,
      persisted: () => this.#watermark.persisted,
      isHalted: () => this.#dispatch.halted.length > 0,
    });
    this.#rejects = new Rejects({
      stream,
      lease,
      numbered: options.dialect === 'numbered',
      log,
      write: (message) =>
        this.#repeat('keeping a rejected message again', () => writeRejected(cassandra, message)),
    });
    this.#dispatch = new Dispatch({
      ...options,
      client: options.temporal,
      lease,
      limits: options.limits ?? PARTITION_LIMITS,
      mayBeSent: () => options.lease.isHeld(),
      settled: (sequences) => {
        this.#settled(sequences);
      },
      onStop: (stopped) => {
        void this.#stopOrBehind(stopped);
      },
    });
    const writer = new LineWriter({
      lease,
      writeLines: (lines) => writeLines(cassandra, stream, lines),
      readLease: () => readLease(cassandra, stream),
      isHeld: () => options.lease.isHeld(),
    });
    this.#intake = new Intake({
      write: (lines) => writer.write(lines),
      release: (items) => {
        this.#dispatch.push(items);
      },
      onRetry: (error, first, last) => {
        if (error instanceof StreamStopped) this.#stop(error);
        else
          log.warn({ first: `${first}`, last: `${last}`, problem: String(error) }, 'writing the log again');
      },
    });
  }

  /**
   * Opens the stream and then the socket.
   *
   * @throws StreamMismatchError, UnfinishedStreamError, ClosedStreamError, LeaseBehindError (opening.ts), EndpointError (sockets.ts); the drivers' errors, after
   * which it may be opened again; Error if the lease ended meanwhile
   */
  static async open(given: IngestOptions): Promise<Ingest> {
    const refused = refusedPeers(given);
    const options = given.curve ? { ...given, curve: countingRefused(given.curve, refused) } : given;
    const storage = new CassandraStorage(options.cassandra, options.storage);
    const { unfinishedMsMax = UNFINISHED_MS_MAX } = options;
    const lease = options.lease.number;
    const opening = await openIngestStream({ ...options, lease, storage, unfinishedMsMax });
    // A socket takes messages from its first moment on: another ingest's, where the stream is not ours any more. And the
    // lines that were read may not be the last ones then (I1b).
    if (!options.lease.isHeld() || (await readLease(options.cassandra, options.stream)) !== lease)
      throw new Error(`lease ${lease} ended while the stream was being opened`);
    // Connections may be made before there is anybody to be told.
    const early: ConnectionChange[] = [];
    let changed = (change: ConnectionChange): void => void early.push(change);
    const logConnection = connectionLog(options);
    const receiver = await Receiver.open({
      endpoint: options.endpoint,
      bind: options.bind,
      curve: options.curve,
      highWaterMark: options.receiveHighWaterMark,
      onConnection: (change, address) => {
        logConnection(change, address);
        changed(change);
      },
    });
    const ingest = new Ingest(options, storage, opening, receiver, refused);
    try {
      await ingest.#recovery.open();
      changed = (change) => {
        ingest.#recovery.dataChanged(change);
      };
      for (const change of early) changed(change);
    } catch (error) {
      ingest.#stillness.close();
      ingest.#recovery.close();
      receiver.close();
      throw error;
    }
    return ingest;
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
      rejected: this.#rejects.counts,
      refusedPeers: this.#refused.counts,
      unknownFields: this.#unknownFields,
      ...this.#recovery.counts,
      inFlight: this.#inFlight,
      watermark: this.#watermark.persisted.toString(),
      halted: this.#dispatch.halted,
    };
  }

  get #inFlight(): number {
    return Number(this.#sequence.received - this.#watermark.persisted);
  }

  /** Ends the reading; {@link run} returns when what is in flight is settled, or its time is over. */
  close(): void {
    this.#closing = true;
    this.#recovery.stopAsking();
    this.#receiver.close();
    this.#watermark.wake();
  }

  /** Reads the stream until it is closed or stops. */
  async run(): Promise<IngestEnding> {
    void this.#options.lease.ended.then((ending) => {
      this.#stop(this.#leaseEnded(ending));
      return undefined;
    });
    try {
      while (!this.#closing) {
        this.#isReading = true;
        const frames = await this.#receiver.receive();
        this.#isReading = false;
        if (!frames) break;
        this.#messages += 1;
        if (!this.#options.lease.isHeld()) throw this.#leaseEnded({ kind: 'expired', problem: undefined });
        await this.#take(frames);
        while (this.#inFlight >= this.#options.maxInFlightEvents && !this.#closing)
          await this.#watermark.advance();
      }
    } catch (error) {
      if (error instanceof StreamStopped) this.#stop(error);
      else if (!this.#closing) throw error;
      // Not tried again: the message was not taken, so the engine sends it to the next ingest.
      else if (!this.#stopped)
        this.#options.log.warn({ problem: String(error) }, 'closed while a message was being checked');
    } finally {
      this.close();
      await this.#drain();
    }
    return this.#end();
  }

  async #take(frames: readonly Buffer[]): Promise<void> {
    const { dialect } = this.#options;
    this.#followOther();
    const receivedAtMs = Date.now();
    const place = { frames, receivedAtMs, arrival: this.#messages, afterSequence: this.#sequence.received };
    const decoded = decodeMessage(frames, dialect, {
      receivedAtMs,
      divisorOf: (base, quote) => this.#options.divisorOf(base, quote),
    });
    if (decoded.kind === 'rejected') {
      const { reason, faults, sequence } = decoded;
      if (sequence !== undefined) this.#recovery.seen(sequence);
      if (sequence !== undefined && this.#recovery.holdsBack(sequence)) return;
      if (this.#rejects.hasKept({ ...place, sequence })) {
        this.#duplicates += 1;
        return;
      }
      const next = this.#sequence.received + 1n;
      const isAhead = sequence !== undefined && sequence > next;
      // Where something before it is missing it is kept when it comes in its place, if the engine can be asked.
      if (!isAhead || !this.#recovery.canAsk)
        await this.#rejects.keep({ ...place, reason, faults, sequence });
      if (isAhead) this.#recovery.ahead(next, sequence, `the message with sequence ${sequence}`);
      else if (sequence !== undefined) throw rejectedStop(sequence, faults);
      return;
    }
    this.#unknownFields += decoded.unknownFields.length;
    const { event, digest } = decoded;
    this.#recovery.seen(event.sequence);
    if (this.#recovery.holdsBack(event.sequence)) return;
    const admission = await this.#repeat<Admission | ClassicAdmission>('checking a message again', () =>
      this.#sequence.admit(event, digest),
    );
    if (admission.kind === 'next') this.#accept(admission.event, digest);
    else if (admission.kind === 'duplicate') {
      this.#duplicates += 1;
      this.#recovery.duplicate(event.sequence);
    } else if (admission.kind === 'ahead')
      this.#recovery.ahead(admission.expected, event.sequence, describeEvent(event));
    else {
      const fault = `phantom-lock: amount above available ${admission.available}: the engine announced a lock that it refused`;
      await this.#rejects.keep({ ...place, reason: 'phantom-lock', faults: [fault] });
    }
  }

  #accept(event: SettlementEvent, digest: Buffer): void {
    const touches = touchesOf(legsOf(event));
    const predecessors = this.#followed.accept(event, touches);
    this.#sequence.accepted(event, digest);
    this.#recovery.accepted();
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

  /** Goes on after a watermark that another ingest has moved, where the engine has nothing from before it any more. */
  #followOther(): void {
    const watermark = this.#recovery.takeMove();
    if (watermark === undefined || !(this.#sequence instanceof NumberedSequence)) return;
    this.#sequence.continueAfter(watermark);
    this.#watermark.continueAfter(watermark);
  }

  #settled(sequences: readonly bigint[]): void {
    if (sequences.length > 0) this.#settledAtMs = Date.now();
    for (const sequence of sequences) {
      const touches = this.#touches.get(sequence) ?? [];
      this.#followed.release(touches);
      if (this.#sequence instanceof ClassicAdapter) this.#sequence.settled(touches);
      this.#touches.delete(sequence);
      this.#watermark.settled(sequence);
    }
  }

  /** Repeats what the database made fail; once the ingest is closed, its failure is the ingest's. */
  #repeat<T>(what: string, action: () => Promise<T>): Promise<T> {
    return repeat(action, {
      isOver: () => this.#closing,
      onRetry: (error) => {
        this.#options.log.warn({ problem: String(error) }, what);
      },
    });
  }

  /** A workflow refused a chunk. That its lease is older may mean that the database is, too. */
  async #stopOrBehind(stopped: StreamStopped): Promise<void> {
    const { cassandra, stream } = this.#options;
    const { lease } = this.#opening;
    const { heard, sequence } = stopped.stop;
    const newest =
      heard === undefined ? undefined : await readLease(cassandra, stream).catch(() => undefined);
    this.#stop(
      heard !== undefined && newest === lease ? leaseBehind(lease, BigInt(heard), BigInt(sequence)) : stopped,
    );
  }

  #stop(stopped: StreamStopped): void {
    if (this.#stopped) return;
    this.#stopped = stopped;
    this.#options.log.error({ ...stopped.stop }, 'stream stopped');
    // At once: a classic stream must not go on, whatever becomes of this process.
    if (!isLeaseEnd(stopped.stop.reason)) this.#recording = this.#recordStop(JSON.stringify(stopped.stop));
    this.close();
    if (this.#isLost) this.#intake.close();
  }

  /** True if nothing more can be settled by this ingest. */
  get #isLost(): boolean {
    const reason = this.#stopped?.stop.reason;
    return isLeaseEnd(reason) || reason === 'bad-chunk';
  }

  #leaseEnded(ending: LeaseEnding): StreamStopped {
    return leaseEnded(ending, this.#opening.lease, this.#sequence.received + 1n);
  }

  /** Waits for what is in flight, but not for long beside a partition that waits for a person. */
  async #drain(): Promise<void> {
    const { drainMsMax = DRAIN_MS_MAX } = this.#options;
    const startedMs = Date.now();
    this.#dispatch.hurry();
    const isOver = (): boolean => {
      const now = Date.now();
      const quietMs = now - Math.max(this.#settledAtMs, startedMs);
      const isHeldUp = this.#dispatch.halted.length > 0 && quietMs >= HALTED_QUIET_MS_MAX;
      return this.#inFlight === 0 || this.#isLost || isHeldUp || now - startedMs >= drainMsMax;
    };
    while (!isOver()) await Promise.race([this.#watermark.advance(), sleep(200)]);
    this.#intake.close();
    this.#dispatch.close();
    this.#watermark.close();
    this.#stillness.close();
    this.#recovery.close();
  }

  async #end(): Promise<IngestEnding> {
    const { log } = this.#options;
    const stop = this.#stopped?.stop;
    await this.#recording;
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

  /** Tried as long as the lease is ours, and no longer than a drain may take. Of an ingest that was replaced nothing is recorded: the stream runs, elsewhere. */
  async #recordStop(stop: string): Promise<void> {
    const { cassandra, stream, log, lease, drainMsMax = DRAIN_MS_MAX } = this.#options;
    const untilMs = performance.now() + drainMsMax;
    const record = async (): Promise<void> => {
      if ((await readLease(cassandra, stream)) === lease.number) await writeStopped(cassandra, stream, stop);
    };
    await repeat(record, {
      isOver: () => !lease.isHeld() || performance.now() >= untilMs,
      onRetry: (error) => {
        log.warn({ problem: String(error) }, 'recording again why the stream stopped');
      },
    }).catch((error: unknown) => {
      log.error({ problem: String(error) }, 'why the stream stopped could not be recorded');
    });
  }
}

function sequenceOf(
  { cassandra, stream, dialect, maxInFlightEvents: inFlightMax }: IngestOptions,
  storage: CassandraStorage,
  opening: Opening,
): NumberedSequence | ClassicAdapter {
  if (dialect === 'numbered')
    return new NumberedSequence({
      ...opening,
      inFlightMax,
      readLine: (sequence) => readLine(cassandra, stream, sequence),
    });
  return new ClassicAdapter({
    inFlightMax,
    lastSequence: opening.watermark,
    lastTradeNumber: opening.lastTradeNumber,
    readBalances: (keys) => storage.readBalances(keys),
    readTradeDigest: async (trade) =>
      (await storage.readEventRows(stream, [{ event: trade, digest: Buffer.alloc(0) }]))[0]?.digest,
  });
}
