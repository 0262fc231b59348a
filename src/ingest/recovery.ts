/**
 * How an ingest gets back what was lost on the wire: it asks the engine on the control socket (control.ts) when the rules
 * (resumption.ts) say so, reads the watermark again before it believes that something is gone for good, and says what it
 * waits for. Without a control socket nobody can be asked, and a hole ends the stream by name.
 */
import type { Logger } from '../logging/index.ts';
import { Seldom } from '../logging/seldom.ts';
import { Control } from './control.ts';
import { leaseBehind, leaseEnded } from './lease-end.ts';
import type { ConnectionChange } from './receiver.ts';
import { refusedNext, Refusals } from './refusals.ts';
import { hole, Resumption, RESUMPTION_LIMITS, unavailable, type ResumptionLimits } from './resumption.ts';
import { Silence } from './silence.ts';
import type { IngestSocketOptions } from './sockets.ts';
import type { StreamStopped } from './stop.ts';

const TICK_MS = 1_000;
/** Both sockets of an engine come up at about the same time: one request is enough. */
const CONNECTED_PAUSE_MS = 50;
/** Where nothing comes for so long after the engine was asked, both connections are made anew; then after twice as long each time, ms. */
const RENEW_MS_FIRST = 6_000;
const RENEW_MS_MAX = 60_000;

/** What recovery needs of the ingest. */
export interface RecoveryOptions {
  readonly stream: string;
  readonly lease: bigint;
  readonly log: Logger;
  /** The data socket's address, for people. */
  readonly endpoint: string;
  readonly bind: boolean;
  /** The control socket; undefined where the engine has none. */
  readonly control: IngestSocketOptions | undefined;
  readonly limits?: ResumptionLimits | undefined;
  /** The last sequence received without a hole. */
  received(): bigint;
  /** The watermark as this ingest has persisted it. */
  persisted(): bigint;
  /** Makes the data connection anew. */
  renew(): Promise<void>;
  /** False while the socket is not read, since enough is in flight: nothing can come then. */
  isReading(): boolean;
  /** The newest lease, and the watermark, as the database has them now. */
  readLease(): Promise<bigint>;
  readWatermark(): Promise<bigint>;
  /** Ends the stream. */
  stop(stopped: StreamStopped): void;
}

/** Watches over one stream's way in. */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #resumption: Resumption | undefined;
  readonly #dataSilence: Silence;
  readonly #controlSilence: Silence;
  readonly #owedSilence: Silence;
  readonly #seldom = new Seldom<'fault'>();
  readonly #refusals = new Refusals();
  #control: Control | undefined;
  #ticking: NodeJS.Timeout | undefined;
  #connectedTimer: NodeJS.Timeout | undefined;
  #dataConnections = 0;
  #lookingUp = false;
  #moveTo: bigint | undefined;
  #renewMs = RENEW_MS_FIRST;
  /** The highest lease that the engine says it has heard of. */
  #heardLease = 0n;
  #closed = false;
  #isRenewing = false;

  constructor(options: RecoveryOptions) {
    const { log, endpoint, bind, control } = options;
    this.#options = options;
    this.#dataSilence = new Silence((ms) => {
      log.warn({ endpoint, seconds: Math.round(ms / 1000) }, nobodyAt(endpoint, bind));
    });
    this.#controlSilence = new Silence((ms) => {
      log.warn({ endpoint: control?.endpoint, seconds: Math.round(ms / 1000) }, noControl(control));
    });
    this.#owedSilence = new Silence((ms) => {
      log.warn(
        { from: `${options.received()}`, seconds: Math.round(ms / 1000) },
        `the engine is connected and does not send what it was asked for: is its outbox the one of this stream, and its control socket beside the right PUSH socket? Has it heard of a higher lease than ${options.lease}?`,
      );
    });
    if (control)
      this.#resumption = new Resumption({
        log,
        limits: options.limits ?? RESUMPTION_LIMITS,
        received: () => this.#moveTo ?? options.received(),
        ask: (from) => this.#control?.resume(from),
        nowMs: () => performance.now(),
      });
  }

  /** Opens the control socket, where there is one, and begins to watch. */
  async open(): Promise<void> {
    const { control } = this.#options;
    this.#dataSilence.begin();
    this.#ticking = setInterval(() => {
      this.#tick();
    }, TICK_MS).unref();
    if (!control) return;
    this.#controlSilence.begin();
    await this.#openControl(control);
  }

  async #openControl(control: IngestSocketOptions): Promise<void> {
    const { stream, lease, log } = this.#options;
    this.#control = await Control.open({
      ...control,
      stream,
      lease,
      onConnection: (isConnected) => {
        this.#controlChanged(isConnected);
      },
      onUnavailable: (oldest) => {
        void this.#unavailable(oldest);
      },
      onOldLease: (newest) => {
        if (newest > this.#heardLease) this.#heardLease = newest;
        void this.#lookAtLease();
      },
      onFault: (problem) => {
        const untold = this.#seldom.note('fault');
        if (untold === undefined) return;
        log.warn({ problem, ...(untold > 0 && { untold }) }, 'on the control socket came what is no answer');
      },
    });
  }

  /** True if the engine can be asked to send again. */
  get canAsk(): boolean {
    return this.#resumption !== undefined;
  }

  /** How often the engine was asked, and what was dropped since it comes again. */
  get counts(): { readonly resumes: number; readonly dropped: number } {
    return { resumes: this.#resumption?.asked ?? 0, dropped: this.#resumption?.dropped ?? 0 };
  }

  /** Something happened to a connection of the data socket. */
  dataChanged(change: ConnectionChange): void {
    if (change === 'refused') this.#refusals.refused();
    if (change !== 'ready' && change !== 'closed') return;
    const isReady = change === 'ready';
    this.#dataConnections = Math.max(this.#dataConnections + (isReady ? 1 : -1), 0);
    if (this.#dataConnections === 0) this.#dataSilence.begin();
    else this.#dataSilence.end();
    if (!isReady) return;
    if (this.#resumption) this.#stopWhereRefused();
    this.#resumption?.uncertain();
    this.#askSoon();
  }

  /** A message that the transport does not take is a hole that no asking fills. */
  #stopWhereRefused(): void {
    const received = this.#options.received();
    const { roundsMax } = this.#options.limits ?? RESUMPTION_LIMITS;
    if (this.#refusals.ready(received) >= roundsMax) this.#options.stop(refusedNext(received + 1n));
  }

  /** A message with this number has come. */
  seen(sequence: bigint): void {
    this.#renewMs = RENEW_MS_FIRST;
    this.#resumption?.seen(sequence);
  }

  /** True if a message is not to be looked at: the engine has yet to show that it goes on with this stream (I1b). */
  holdsBack(sequence: bigint): boolean {
    return this.#resumption?.holdsBack(sequence) ?? false;
  }

  /** A message is the same as what was received under its number before. */
  duplicate(sequence: bigint): void {
    if (sequence !== this.#options.received()) return;
    this.#refusals.compared();
    this.#resumption?.compared();
  }

  /** The next event was accepted. */
  accepted(): void {
    this.#resumption?.accepted();
  }

  /**
   * A message came behind a hole. It is dropped, since it is sent again after what is missing.
   *
   * @throws {@link StreamStopped} `hole` if nobody can be asked, or asking did not help
   */
  ahead(expected: bigint, stated: bigint, event: string): void {
    if (!this.#resumption) throw hole(expected, stated, event);
    this.#resumption.ahead(expected, stated, event);
  }

  /** The watermark was persisted. */
  settled(watermark: bigint): void {
    this.#control?.settled(watermark);
  }

  /** A watermark to go on after, that another ingest has moved; given once. */
  takeMove(): bigint | undefined {
    const moveTo = this.#moveTo;
    this.#moveTo = undefined;
    return moveTo;
  }

  /** Asks no more. */
  stopAsking(): void {
    clearInterval(this.#ticking);
    clearTimeout(this.#connectedTimer);
    this.#ticking = undefined;
    this.#closed = true;
  }

  /** Closes the control socket; what is settled is still told. */
  close(): void {
    this.stopAsking();
    this.#control?.close();
  }

  #controlChanged(isConnected: boolean): void {
    const { log, control } = this.#options;
    if (!isConnected) {
      log.warn({ endpoint: control?.endpoint }, 'control connection closed');
      this.#controlSilence.begin();
      return;
    }
    log.info({ endpoint: control?.endpoint }, 'control connection opened');
    this.#controlSilence.end();
    this.#control?.settled(this.#options.persisted());
    this.#askSoon();
  }

  #askSoon(): void {
    if (this.#closed || this.#connectedTimer || !this.#control?.isConnected) return;
    this.#connectedTimer = setTimeout(() => {
      this.#connectedTimer = undefined;
      this.#resumption?.connected();
    }, CONNECTED_PAUSE_MS);
  }

  #tick(): void {
    this.#dataSilence.tick();
    this.#controlSilence.tick();
    // Where the database could not be asked at once.
    void this.#lookAtLease();
    if (!this.#control?.isConnected || this.#dataConnections === 0 || !this.#options.isReading()) {
      this.#owedSilence.end();
      return;
    }
    if (this.#resumption?.tick()) this.#owedSilence.begin();
    else this.#owedSilence.end();
    this.#owedSilence.tick();
    if ((this.#resumption?.unansweredMs ?? 0) >= this.#renewMs) void this.#renew();
  }

  /**
   * The engine was asked for what it has, and nothing comes: one of the two connections may be one over which nothing gets any
   * more, though it stands (receiver.ts).
   */
  async #renew(): Promise<void> {
    const { control, log } = this.#options;
    if (!control || control.bind || this.#isRenewing) return;
    this.#isRenewing = true;
    const seconds = Math.round((this.#resumption?.unansweredMs ?? 0) / 1000);
    log.warn(
      { endpoint: this.#options.endpoint, seconds },
      'nothing comes of what was asked for: connecting anew',
    );
    this.#renewMs = Math.min(this.#renewMs * 2, RENEW_MS_MAX);
    this.#control?.close();
    // What we closed ourselves is not told of: that nobody answers from now on has to be.
    this.#controlSilence.begin();
    for (const made of await Promise.allSettled([this.#options.renew(), this.#openControl(control)]))
      if (made.status === 'rejected' && !this.#closed)
        log.warn({ problem: String(made.reason) }, 'a connection could not be made anew');
    this.#isRenewing = false;
    if (this.#closed) this.#control?.close();
  }

  /** The engine listens to a higher lease only. That is another ingest's, or it is from before the database was restored. */
  async #lookAtLease(): Promise<void> {
    const { lease, log } = this.#options;
    const heard = this.#heardLease;
    if (this.#lookingUp || this.#closed || heard <= lease) return;
    this.#lookingUp = true;
    try {
      const isOurs = (await this.#options.readLease()) === lease;
      const sequence = this.#options.received() + 1n;
      this.#options.stop(
        isOurs ? leaseBehind(lease, heard, sequence) : leaseEnded({ kind: 'lost' }, lease, sequence),
      );
    } catch (error) {
      log.warn({ problem: String(error) }, 'the lease could not be read again');
    } finally {
      this.#lookingUp = false;
    }
  }

  /** Before something is called lost, the database is asked whether another ingest has settled it meanwhile. */
  async #unavailable(oldest: bigint): Promise<void> {
    const { lease, log } = this.#options;
    const received = (): bigint => this.#options.received();
    const from = this.#moveTo ?? received();
    // An answer to a question that is over.
    if (this.#lookingUp || this.#closed || oldest <= from) return;
    this.#lookingUp = true;
    try {
      const newest = await this.#options.readLease();
      const watermark = await this.#options.readWatermark();
      if (newest !== lease) this.#options.stop(leaseEnded({ kind: 'lost' }, lease, from));
      else if (watermark > received()) {
        log.warn({ from: `${from}`, watermark: `${watermark}` }, 'another ingest has moved the watermark');
        this.#moveTo = watermark;
        this.#resumption?.connected();
      } else if (oldest > received()) this.#options.stop(unavailable(from, received(), oldest));
    } catch (error) {
      // The engine is asked again, and answers again.
      log.warn({ problem: String(error) }, 'the watermark could not be read again');
    } finally {
      this.#lookingUp = false;
    }
  }
}

function nobodyAt(endpoint: string, bind: boolean): string {
  return bind
    ? `no engine has connected to ${endpoint}: is it running, and does it connect its PUSH socket to this address?`
    : `no engine answers at ${endpoint}: is it running, with its PUSH socket bound there? The address is SETTLED_INGEST_ENDPOINT, or --endpoint`;
}

function noControl(control: IngestSocketOptions | undefined): string {
  return control?.bind
    ? `no engine has connected its control socket to ${control.endpoint}: what is lost on the wire can't be asked for`
    : `no engine answers at the control address ${control?.endpoint}: what is lost on the wire can't be asked for. It is SETTLED_INGEST_CONTROL_ENDPOINT, or --control; leave it out for an engine that has none. Until then a stream that was begun before is not gone on with`;
}
