/**
 * The simulated database: three replicas behind coordinators. A write is acknowledged when two replicas have it, a read
 * at quorum asks two, merges them cell by cell and repairs both before it answers, a read at ONE asks one. A LOGGED BATCH
 * is atomic, never isolated: its parts reach replicas one by one, and once its log is written all of it is there within
 * the log's time. Lightweight transactions happen at one moment. Everything that a client can see of this, late, partly
 * or never carried out writes and stale reads, follows from when which replica got what.
 */
import { errors, type types } from 'cassandra-driver';
import { connectionLost, DONE, isOne, isSerial, unavailable, type Answer } from './answers.ts';
import { merge, type Row } from './cells.ts';
import { Delivery, QUORUM } from './delivery.ts';
import type { Faults } from './faults.ts';
import {
  askedBy,
  byPartitionKey,
  changedRow,
  meets,
  resultOf,
  type Asked,
  type Params,
  type ResultRow,
} from './queries.ts';
import type { Random } from './random.ts';
import { Replica, type Mutation } from './replica.ts';
import type { Process, Scheduler } from './scheduler.ts';
import { ignoreTie, mergeAll, rowsOf } from './slices.ts';
import type { ReadStatement, WriteStatement } from './statements.ts';

const REPLICAS = 3;
/** A client gives up waiting after so long, ms: sooner in some seeds, as configured. */
const TIMEOUT_MS_MAX = 12_000;
/** A slow time lasts so long, ms. */
const SLOW_MS_MAX = 8_000;
/** The batch log is replayed within this time, ms: below the settler's doubtMs. */
const REPLAY_MS_MAX = 29_900;
/** Reads that come so long before it are held up, ms: longer than it is from one look of the settler to the next. */
const PAUSE_MS_MIN = 1_100;
const PAUSE_MS_MAX = 2_000;
/** And so long behind it, ms: the limit of a doubt is over, and whoever had it still waits for the answer. */
const PAUSE_MORE_MS_MIN = 2_000;
const PAUSE_MORE_MS_MAX = 8_000;
/** Whoever finds it in part comes so soon, at most, ms. */
const AGAIN_MS_MAX = 1_000;
/** What comes late comes in the last part of it, ms. */
const LATE_MS = 2_000;
const WHOLE_LATE_MS = 500;

/** Reads of some partitions that come between the first two moments are answered at the third, ms. */
interface Pause {
  readonly fromMs: number;
  readonly toMs: number;
  readonly endMs: number;
  readonly partitions: ReadonlySet<string>;
}

/** How a write is to be carried out. */
export interface WriteOptions {
  readonly logged: boolean;
  readonly consistency: types.consistencies;
  readonly from: Process;
}

/** How to make a database. */
export interface DatabaseOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  /** Told where two writes of a cell at one time differ (I2). */
  readonly onTie: (partition: string, column: string, a: unknown, b: unknown) => void;
  /** Told of each lightweight transaction that happened. */
  onTransaction(partition: string): void;
  /** Asks for a process to be killed. */
  onKill(process: Process, againMsMax?: number): void;
  /** Told of each write that reaches a coordinator. */
  onWrite(mutations: readonly Mutation[]): void;
  readonly trace: (text: () => string) => void;
}

/** Three replicas. */
export class Database {
  readonly replicas = Array.from({ length: REPLICAS }, () => new Replica());
  /** Until then no coordinator answers, ms. */
  awayUntilMs = 0;
  /** The next LOGGED BATCH becomes whole late. */
  wholeLateNext = false;
  readonly #options: DatabaseOptions;
  readonly #timeoutMs: number;
  readonly #delivery: Delivery;
  #slowUntilMs = 0;
  readonly #pauses: Pause[] = [];

  constructor(options: DatabaseOptions) {
    const { random } = options;
    this.#options = options;
    this.#timeoutMs = random.pick([1_000, 3_000, TIMEOUT_MS_MAX, TIMEOUT_MS_MAX]);
    this.#delivery = new Delivery(this.replicas, options);
  }

  /** A write has reached a coordinator. */
  write(
    mutations: readonly Mutation[],
    { logged, consistency, from }: WriteOptions,
    answer: (answer: Answer) => void,
  ): void {
    const { scheduler, faults, random } = this.#options;
    this.#options.onWrite(mutations);
    if (this.#isAway(answer)) return;
    const up = this.replicas.filter((replica) => replica.downUntilMs <= scheduler.nowMs);
    if (up.length < QUORUM) {
      this.#answer(answer, unavailable());
      return;
    }
    if (logged && this.wholeLateNext) {
      this.#wholeLate(mutations, from, answer);
      return;
    }
    const wholeMs = logged ? REPLAY_MS_MAX : undefined;
    const fault = logged
      ? faults.strikesOne(['batch-late', 'batch-partial', 'batch-never', 'batch-error'])
      : faults.strikesOne(['write-late', 'write-partial', 'write-never', 'write-error']);
    if (fault === undefined) {
      const lost = faults.strikes('answer-lost');
      const slowMs = faults.strikes('slow-write') ? random.between(100, this.#timeoutMs) : 0;
      const timeOut = (): void => {
        this.#timeOut(answer);
      };
      const acknowledged = (): void => {
        if (!lost) this.#answer(answer, DONE);
      };
      this.#delivery.spread(
        mutations,
        slowMs,
        acknowledged,
        timeOut,
        isOne(consistency) ? 1 : QUORUM,
        wholeMs,
      );
      if (lost) this.#timeOut(answer);
      return;
    }
    this.#options.trace(
      () => `${fault}: ${mutations.map((one) => `${one.partition}/${one.clustering}`).join(' ')}`,
    );
    const isError = fault === 'batch-error' || fault === 'write-error';
    if (isError) this.#answer(answer, random.chance(0.5) ? unavailable() : connectionLost());
    else this.#timeOut(answer);
    if (fault === 'batch-never' || fault === 'write-never' || (isError && random.chance(0.5))) return;
    const laterMs = random.chance(0.3)
      ? random.between(REPLAY_MS_MAX - LATE_MS, REPLAY_MS_MAX)
      : random.between(0, REPLAY_MS_MAX);
    if (logged && faults.strikes('killed-while-writing')) {
      this.#options.onKill(from);
      if (random.chance(0.5)) this.#slowAround(laterMs);
    }
    if (fault === 'batch-partial' || fault === 'write-partial') this.#delivery.spreadPart(mutations);
    // Only a batch has a log that makes it whole; a plain write may stay on the replicas that got it.
    if (logged || fault === 'write-late' || random.chance(0.5))
      this.#delivery.spread(mutations, laterMs, nothing, nothing, QUORUM, wholeMs);
  }

  /** Some balances of a batch are there now, the rest much later, and whoever sent it is not there to send it again. */
  #wholeLate(mutations: readonly Mutation[], from: Process, answer: (answer: Answer) => void): void {
    const { random } = this.#options;
    this.wholeLateNext = false;
    const laterMs = random.between(REPLAY_MS_MAX - WHOLE_LATE_MS, REPLAY_MS_MAX);
    this.#delivery.spreadPartitions(mutations, (partition) => partition.startsWith('user_balances|'));
    this.#delivery.spread(mutations, laterMs, nothing, nothing, QUORUM, REPLAY_MS_MAX);
    const { nowMs } = this.#options.scheduler;
    const toMs = nowMs + laterMs;
    this.#pauses.push({
      fromMs: toMs - random.between(PAUSE_MS_MIN, PAUSE_MS_MAX),
      toMs,
      endMs: toMs + random.between(PAUSE_MORE_MS_MIN, PAUSE_MORE_MS_MAX),
      partitions: new Set(mutations.map((one) => one.partition)),
    });
    this.#timeOut(answer);
    this.#options.onKill(from, AGAIN_MS_MAX);
  }

  /** A read has reached a coordinator. Partitions are read one by one, and answered when the last is there. */
  read(
    statement: ReadStatement,
    params: Params,
    consistency: types.consistencies,
    answer: (answer: Answer) => void,
  ): void {
    const parts = byPartitionKey(statement, params);
    const rows: ResultRow[] = [];
    let left = parts.length;
    for (const part of parts)
      this.#readPartition(statement, part, consistency, (found) => {
        if (found.kind === 'error') {
          answer(found);
          return;
        }
        rows.push(...found.rows);
        left -= 1;
        if (left === 0) answer({ kind: 'rows', rows, applied: true });
      });
  }

  #readPartition(
    statement: ReadStatement,
    params: Params,
    consistency: types.consistencies,
    answer: (answer: Answer) => void,
  ): void {
    const { scheduler, faults, random } = this.#options;
    if (this.#isAway(answer)) return;
    const serial = isSerial(consistency);
    const asked = askedBy(statement, params);
    if (serial) {
      this.#answer(answer, this.#result(statement, this.#everywhere(asked)));
      return;
    }
    const up = this.replicas.filter((replica) => replica.downUntilMs <= scheduler.nowMs);
    const needed = isOne(consistency) ? 1 : QUORUM;
    if (up.length < needed || faults.strikes('read-error')) {
      if (random.chance(0.5)) this.#timeOut(answer);
      else this.#answer(answer, unavailable());
      return;
    }
    while (up.length > needed) up.splice(random.below(up.length), 1);
    const slow = faults.strikes('slow-read') || this.#isSlow();
    const heldUpMs = this.#heldUpMs(asked.partition);
    const slowMs = heldUpMs > 0 ? heldUpMs : slow ? random.between(100, this.#timeoutMs - 50) : 0;
    const beforeMs = heldUpMs > 0 ? 0 : slowMs * random.next();
    const found: Map<string, Row>[] = [];
    const finish = (): void => {
      const rows = up.length === 1 ? found[0] : this.#repaired(asked, up, found);
      scheduler.in(scheduler.world, slowMs - beforeMs, () => {
        this.#answer(answer, this.#result(statement, [...(rows ?? new Map<string, Row>()).values()]));
      });
    };
    const apartMs = random.chance(this.#delivery.apart) ? random.between(0, this.#delivery.apartMs) : 0;
    scheduler.in(scheduler.world, beforeMs, () => {
      found.push(rowsOf(up[0] as Replica, asked));
      if (apartMs > 0 && up[1]) {
        scheduler.in(scheduler.world, apartMs, () => {
          found.push(rowsOf(up[1] as Replica, asked));
          finish();
        });
        return;
      }
      if (up[1]) found.push(rowsOf(up[1], asked));
      finish();
    });
  }

  /** A lightweight transaction has reached a coordinator: it happens now, or never, and the answer may get lost. */
  transact(statement: WriteStatement, params: Params, answer: (answer: Answer) => void): void {
    const { scheduler, faults, random } = this.#options;
    if (this.#isAway(answer)) return;
    const doubtful = faults.strikes('lease-doubtful');
    if (doubtful) this.#timeOut(answer);
    if (doubtful && random.chance(0.5)) return;
    const { partition, clustering } = changedRow(statement, params, undefined, scheduler.nowMs);
    const row = this.rowAnywhere(partition, clustering);
    const applied = statement.ifNotExists ? row === undefined : meets(statement.conditions, row, params);
    if (applied) {
      const changed = changedRow(statement, params, row, scheduler.nowMs);
      for (const replica of this.replicas) replica.put(changed);
      this.#options.onTransaction(partition);
    }
    if (!doubtful) this.#answer(answer, { kind: 'rows', rows: [{ '[applied]': applied }], applied });
  }

  /** The row as all replicas together have it. */
  rowAnywhere(partition: string, clustering: string): Row | undefined {
    let row: Row | undefined;
    for (const replica of this.replicas) {
      const here = replica.row(partition, clustering);
      if (here) row = row ? merge(row, here, ignoreTie) : here;
    }
    return row;
  }

  /** True where every read at quorum sees it: two replicas have a row that fits. */
  isDurable(partition: string, clustering: string, fits: (row: Row) => boolean): boolean {
    let replicas = 0;
    for (const replica of this.replicas) {
      const row = replica.row(partition, clustering);
      if (row && fits(row)) replicas += 1;
    }
    return replicas >= 2;
  }

  /** Lets a replica have a row. */
  apply(replica: Replica, mutation: Mutation): void {
    this.#delivery.apply(replica, mutation);
  }

  #everywhere(asked: Asked): Row[] {
    const found = this.replicas.map((replica) => rowsOf(replica, asked));
    return [...mergeAll(found).values()];
  }

  /** Merges what replicas answered, and lets each have it before the reader does (blocking read repair). */
  #repaired(
    asked: Asked,
    replicas: readonly Replica[],
    found: readonly Map<string, Row>[],
  ): Map<string, Row> {
    const merged = mergeAll(found);
    for (const [clustering, row] of merged)
      for (const [index, replica] of replicas.entries())
        if (found[index]?.get(clustering) !== row)
          this.apply(replica, { partition: asked.partition, clustering, row });
    return merged;
  }

  #result(statement: ReadStatement, rows: readonly Row[]): Answer {
    return { kind: 'rows', rows: resultOf(statement, rows), applied: true };
  }

  /** Many reads are slow about the time at which a batch is made whole. */
  #slowAround(ms: number): void {
    const { scheduler, random } = this.#options;
    scheduler.in(scheduler.world, Math.max(0, ms - random.between(0, SLOW_MS_MAX)), () => {
      this.#slowUntilMs = scheduler.nowMs + SLOW_MS_MAX;
    });
  }

  #isSlow(): boolean {
    const { scheduler, random, faults } = this.#options;
    if (scheduler.nowMs >= this.#slowUntilMs || !random.chance(0.5)) return false;
    faults.count('slow-read');
    return true;
  }

  /** How long a read is held up that comes now, ms: those who have the partition have looked, and pause before they answer. */
  #heldUpMs(partition: string): number {
    const { scheduler, faults } = this.#options;
    const { nowMs } = scheduler;
    const pause = this.#pauses.find(
      ({ fromMs, toMs, partitions }) => nowMs >= fromMs && nowMs < toMs && partitions.has(partition),
    );
    if (!pause) return 0;
    faults.count('slow-read');
    return Math.min(pause.endMs - nowMs, this.#timeoutMs - 50);
  }

  #isAway(answer: (answer: Answer) => void): boolean {
    const { scheduler, random } = this.#options;
    if (this.awayUntilMs <= scheduler.nowMs) return false;
    if (random.chance(0.5)) this.#timeOut(answer);
    else this.#answer(answer, connectionLost());
    return true;
  }

  #timeOut(answer: (answer: Answer) => void): void {
    const { scheduler } = this.#options;
    scheduler.in(scheduler.world, this.#timeoutMs, () => {
      answer({ kind: 'error', error: new errors.OperationTimedOutError('no answer in time') });
    });
  }

  #answer(answer: (answer: Answer) => void, what: Answer): void {
    answer(what);
  }
}

const nothing = (): void => undefined;
