/**
 * The state of one audit: how it reads, the streams with the watermarks at which it looks at them (I7), the tallies
 * between tables, and everything found and counted so far.
 */
import type { Client, types } from 'cassandra-driver';
import { readStreams } from '../ledger/streams.ts';
import { Dismissed } from './dismissed.ts';
import { Findings, type Finding } from './finding.ts';
import { Fingerprints } from './fingerprint.ts';
import { InFlight } from './in-flight.ts';
import { Ring, type RingOptions } from './ring.ts';
import { Tally } from './tally.ts';
import { Totals } from './totals.ts';

/** An audit that cannot be made: no such stream, a bad oracle. */
export class AuditError extends Error {
  override readonly name = 'AuditError';
}

/** A stream of the database. */
export interface StreamState {
  readonly stream: string;
  readonly dialect: string;
  /** When the audit began: everything up to here moves no more. */
  readonly watermark: bigint;
  /** True if its log is looked at. */
  readonly audited: boolean;
  lines: number;
  linesInFlight: number;
  events: number;
}

/** Rows that were found wrong by themselves and are not held against others again, at most. */
const TAINTED_MAX = 100_000;

/** One audit on its way. */
export class Run {
  readonly client: Client;
  readonly ring: Ring;
  readonly consistency: types.consistencies | undefined;
  readonly streams: ReadonlyMap<string, StreamState>;
  readonly findings = new Findings();
  readonly fingerprints = new Fingerprints();
  /** Event rows against entries, by account and bucket. */
  readonly entries = new Tally();
  /** Last entries against balances, by account. */
  readonly ends = new Tally();
  /** Event rows against the stream log, by sequence. */
  readonly lines = new Tally();
  readonly inFlight = new InFlight();
  /** Of the reading that in-flight balances were compared in. */
  totals = new Totals();
  /** Rows of tables above which nothing settled stands: the highest watermark. */
  readonly watermarkMax: bigint;
  /** Events that a person decided to pass over. */
  readonly dismissed = new Dismissed();
  readonly #tainted = new Set<string>();
  readonly #unknownStreams = new Set<string>();

  private constructor(client: Client, options: RingOptions, streams: ReadonlyMap<string, StreamState>) {
    this.client = client;
    this.ring = new Ring(client, options);
    this.consistency = options.consistency;
    this.streams = streams;
    this.watermarkMax = [...streams.values()].reduce(
      (highest, { watermark }) => (watermark > highest ? watermark : highest),
      0n,
    );
  }

  /**
   * Begins an audit.
   *
   * @param stream whose log is looked at; all streams where it is undefined
   * @throws {@link AuditError} if there is no such stream, or none at all
   */
  static async begin(client: Client, options: RingOptions, stream: string | undefined): Promise<Run> {
    const records = await readStreams(client);
    if (stream !== undefined && !records.some((record) => record.stream === stream))
      throw new AuditError(
        `there is no stream ${stream} in keyspace ${client.keyspace}; there are: ${records.map((record) => record.stream).join(', ') || 'none'}`,
      );
    if (records.length === 0) throw new AuditError(`keyspace ${client.keyspace} has no stream yet`);
    const states = records.map((record): StreamState => ({
      stream: record.stream,
      dialect: record.dialect,
      watermark: record.watermark,
      audited: stream === undefined || stream === record.stream,
      lines: 0,
      linesInFlight: 0,
      events: 0,
    }));
    return new Run(client, options, new Map(states.map((state) => [state.stream, state])));
  }

  /** True where an event of this number must be settled, with everything that follows from it. */
  isSettled(stream: string, sequence: bigint): boolean {
    const state = this.streams.get(stream);
    return state === undefined || sequence <= state.watermark;
  }

  /** The watermarks of all streams as they are by now. */
  async watermarksNow(): Promise<Map<string, bigint>> {
    return new Map((await readStreams(this.client)).map(({ stream, watermark }) => [stream, watermark]));
  }

  /** True if a stream went on, or came, since the audit began. */
  hasMovedTo(watermarks: ReadonlyMap<string, bigint>): boolean {
    return [...watermarks].some(
      ([stream, watermark]) => watermark !== (this.streams.get(stream)?.watermark ?? 0n),
    );
  }

  /** The stream's state; a stream without a record is reported once. */
  stream(name: string): StreamState | undefined {
    const state = this.streams.get(name);
    if (!state && !this.#unknownStreams.has(name) && this.#unknownStreams.size < TAINTED_MAX) {
      this.#unknownStreams.add(name);
      const detail = `rows name the stream "${name}", which is not recorded in streams`;
      this.report({ kind: 'stream-unknown', detail, stream: name });
    }
    return state;
  }

  readonly report = (finding: Finding): void => {
    this.findings.add(finding);
  };

  /** Remembers a row that is wrong by itself: what follows from that is not reported as well. */
  taint(...key: readonly (string | bigint | number)[]): void {
    if (this.#tainted.size < TAINTED_MAX) this.#tainted.add(key.join('/'));
  }

  isTainted(...key: readonly (string | bigint | number)[]): boolean {
    return this.#tainted.has(key.join('/'));
  }
}
