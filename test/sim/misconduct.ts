/**
 * An engine, or somebody else, that does what it must not: once in a run, at a moment when it can be told from what is
 * allowed. Then it must be found, by a stop or a halt that names it, and nothing of it may be settled.
 */
import type { ConflictReason } from '../../src/domain/decision.ts';
import type { Stop, StopReason } from '../../src/ingest/stop.ts';
import type { ConflictReport } from '../../src/workflows/contract.ts';
import { EVENT, keyOf, TOTAL_BYTES } from '../../src/publisher/outbox-state.ts';
import { MISBEHAVIOURS, type Misbehaviour } from './faults.ts';
import { valueOf } from './cells.ts';
import type { Account } from './market.ts';
import type { Random } from './random.ts';
import type { Simulation } from './simulation.ts';
import { balancePlace, durableWatermark, linePlace, newestLease } from './stored.ts';

const TRY_MS = 300;
/** So long after the last fault it still waits for its opportunity, ms. */
const PATIENCE_MS = 20_000;
/** An engine that changed its history says it again so often, ms. */
const INSIST_MS = 3_000;
/** Events of an engine that begins again. */
const RESTARTED_EVENTS = 5n;
/** The word by which the stream may stop for it; none where a stop would be no answer. */
const STOPS: Readonly<Partial<Record<Misbehaviour, StopReason>>> = {
  'other-content-below': 'other-content',
  'other-content-above': 'other-content',
  'tail-rewritten': 'other-content',
  'numbering-restarted': 'other-content',
  'sequence-skipped': 'hole',
  'version-twice': 'version-mismatch',
  'version-taken': 'version-mismatch',
  'version-passed': 'version-mismatch',
  'version-skipped': 'version-mismatch',
  overdrawn: 'version-mismatch',
};
/** What a version that was not free may be taken for; how it shows depends on what else moves the balance meanwhile. */
const VERSIONS: readonly ConflictReason[] = [
  'version-taken',
  'version-between',
  'predecessor',
  'gap',
  'doubt',
];
/** The words by which its event may conflict. */
const CONFLICTS: Readonly<Partial<Record<Misbehaviour, readonly ConflictReason[]>>> = {
  'version-twice': VERSIONS,
  'version-taken': VERSIONS,
  'version-passed': VERSIONS,
  'version-skipped': VERSIONS,
  overdrawn: ['negative-balance'],
};
/** Sequences of an engine that has no right to our balances. */
const FOREIGN_SEQUENCE = 50_000_000n;

/** One misbehaviour. */
export class Misconduct {
  readonly kind: Misbehaviour;
  /** Balances that somebody else wrote: from which version on nothing of ours may follow. */
  readonly foreign = new Map<string, bigint>();
  begun = false;
  readonly #simulation: Simulation;
  readonly #random: Random;
  /** The first sequence that may be found fault with. */
  #from = 0n;
  /** The balance that its event names, where it is one event. */
  #balance = '';
  #stopped = false;
  #untilMs = 0;

  constructor(simulation: Simulation, random: Random) {
    this.#simulation = simulation;
    this.#random = random;
    this.kind = random.pick(MISBEHAVIOURS);
  }

  /** True where the engine's book and the stream do not go together any more. */
  get isHarmful(): boolean {
    return this.begun && this.kind !== 'trade-id-twice';
  }

  /** From some moment on it waits for its opportunity. */
  plan(activeMs: number): void {
    this.#untilMs = activeMs + PATIENCE_MS;
    this.#simulation.scheduler.after(this.#random.between(0.2, 0.7) * activeMs, () => {
      this.#try();
    });
  }

  /** True while it may still begin. */
  get isPending(): boolean {
    return !this.begun && this.#simulation.scheduler.elapsedMs <= this.#untilMs;
  }

  /** Whether a stop is the answer to it. */
  explains({ reason, sequence }: Stop): boolean {
    if (!this.isHarmful || STOPS[this.kind] !== reason) return false;
    const [at, from] = [BigInt(sequence), this.#from];
    if (this.kind === 'sequence-skipped' ? at !== from : at < from) return false;
    this.#stopped = true;
    return true;
  }

  /**
   * Whether a conflict is the answer to it. On a balance that somebody else wrote, an event from before that conflicts, too,
   * when it is asked for again: what is there has no write time of ours.
   */
  explainsConflict({ sequence, user, asset, reason }: ConflictReport): boolean {
    if (!this.isHarmful) return false;
    const balance = `${user}/${asset}`;
    if (this.foreign.has(balance)) return true;
    if (BigInt(sequence) === this.#from) return CONFLICTS[this.kind]?.includes(reason) === true;
    // What follows on its balance finds another before it than the ingest had seen.
    return BigInt(sequence) > this.#from && balance === this.#balance && VERSIONS.includes(reason);
  }

  /** Whether it was found; undefined where it does no harm, or did not begin. */
  isFound(): boolean | undefined {
    if (!this.isHarmful) return undefined;
    if (this.#stopped) return true;
    for (const run of this.#simulation.server.runs.values()) {
      const { halt } = run.status();
      if (halt && this.explainsConflict(halt.conflict)) return true;
    }
    return false;
  }

  #try(): void {
    const { scheduler, faults, trace, processes } = this.#simulation;
    if (scheduler.elapsedMs > this.#untilMs) return;
    this.begun = this.#begin();
    if (!this.begun) {
      scheduler.in(scheduler.world, TRY_MS, () => {
        this.#try();
      });
      return;
    }
    faults.count(this.kind);
    trace(() => `misbehaviour: ${this.kind} from sequence ${this.#from}`);
    processes.publish();
  }

  #begin(): boolean {
    const { engine, database } = this.#simulation;
    const watermark = durableWatermark(database);
    const next = engine.lastStated + 1n;
    switch (this.kind) {
      case 'other-content-below':
        if (watermark < 3n) return false;
        this.#from = 1n + BigInt(this.#random.below(Number(watermark)));
        this.#insist(this.#from);
        return true;
      case 'other-content-above':
      case 'tail-rewritten': {
        const from = this.#loggedAbove(watermark);
        if (from === undefined) return false;
        this.#from = from;
        this.#rewrite(from);
        return true;
      }
      case 'numbering-restarted':
        if (watermark < 5n) return false;
        this.#from = 1n;
        this.#restartNumbering();
        return true;
      case 'trade-id-twice':
        this.#from = next;
        return engine.stateTradeAgain();
      case 'version-twice': {
        // Mostly in two partitions: the trade in its buyer's, what states the same version again in the seller's.
        const paid = engine.nextTrade();
        if (!paid) return false;
        this.#from = engine.stateBad(paid, 'DEPOSIT', 7n, paid.version - 1n);
        this.#balance = `${paid.user}/${paid.asset}`;
        this.#simulation.monitor.rivals.set(this.#from, this.#from - 1n);
        return true;
      }
      case 'sequence-skipped':
        this.#from = next;
        this.#simulation.network.withheld = next;
        for (let count = 0; count < 5; count += 1) engine.next();
        return true;
      default:
        return this.#withAccount(watermark, next);
    }
  }

  #withAccount(watermark: bigint, next: bigint): boolean {
    const { engine } = this.#simulation;
    const account = this.#account(watermark);
    if (!account) return false;
    const { version } = account;
    this.#from = next;
    this.#balance = `${account.user}/${account.asset}`;
    switch (this.kind) {
      case 'version-taken':
        engine.stateBad(account, 'DEPOSIT', 7n, version - 1n);
        break;
      case 'version-passed':
        engine.stateBad(account, 'DEPOSIT', 7n, version - 3n);
        break;
      case 'version-skipped':
        engine.stateBad(account, 'DEPOSIT', 7n, version + 1n);
        break;
      case 'overdrawn':
        engine.stateBad(account, 'WITHDRAW', account.available + 1n, version);
        break;
      default:
        if (!this.#isAtRest()) return false;
        this.#tamper(account);
        engine.nextOf(account);
        engine.nextOf(account);
    }
    return true;
  }

  /** An account at rest, with some history. */
  #account(watermark: bigint): Account | undefined {
    const { accounts } = this.#simulation.engine.market;
    const some = accounts.filter(({ version, sequence }) => version >= 3n && sequence <= watermark);
    return some.length === 0 ? undefined : this.#random.pick(some);
  }

  /**
   * True if no attempt is running anywhere, not even one of a former ingest or one that nobody hears any more. While one is, a
   * settler may hold the balance in memory, and writes over what it can't have seen (docs/guarantees.md).
   */
  #isAtRest(): boolean {
    const { server, scheduler } = this.#simulation;
    return [...server.runs.values()].every((run) => {
      const { unfinished, quietAt } = run.status();
      return unfinished === 0 && (quietAt === undefined || Date.parse(quietAt) <= scheduler.nowMs);
    });
  }

  /** Somebody else writes a balance: another engine under its next version, or a hand at the default clock. */
  #tamper(account: Account): void {
    const { database, monitor, scheduler } = this.#simulation;
    const [partition, clustering] = balancePlace(account);
    const version = account.version + 1n;
    monitor.isTampered = true;
    this.foreign.set(`${account.user}/${account.asset}`, version);
    const byHand = this.kind === 'hand-made-write';
    const cells = byHand
      ? { user_id: account.user, asset_id: account.asset, available: 12_345n }
      : {
          user_id: account.user,
          asset_id: account.asset,
          available: 12_345n,
          frozen: 0n,
          version,
          updated_at: new Date(scheduler.nowMs),
          last_sequence: FOREIGN_SEQUENCE,
          chain: Buffer.alloc(32, 7),
        };
    const row = {
      columns: new Map(Object.keys(cells).map((column, at) => [column, at])),
      values: Object.values(cells),
      time: byHand ? BigInt(Math.floor(scheduler.nowMs)) * 1_000n : version,
    };
    for (const replica of database.replicas) database.apply(replica, { partition, clustering, row });
  }

  /**
   * A sequence above the watermark whose line every quorum sees, of the newest lease: what an ingest that was replaced
   * logs afterwards its successor can't know of (docs/guarantees.md).
   */
  #loggedAbove(watermark: bigint): bigint | undefined {
    const { database } = this.#simulation;
    const newest = newestLease(database);
    const logged: bigint[] = [];
    for (let sequence = watermark + 1n; logged.length < 20; sequence += 1n) {
      if (!database.isDurable(...linePlace(sequence), (row) => valueOf(row, 'lease') === newest)) break;
      logged.push(sequence);
    }
    return logged.length === 0 ? undefined : this.#random.pick(logged);
  }

  /** It forgot what it had stated from a number on, and tells another story, from the beginning of what is open. */
  #rewrite(from: bigint): void {
    const { engine, disk, processes } = this.#simulation;
    const to = this.kind === 'tail-rewritten' ? engine.lastStated : from;
    for (let sequence = from; sequence <= to; sequence += 1n)
      this.#rewriteOutbox(disk.folder(processes.outbox), sequence);
    const ingest = processes.feeding;
    if (ingest && this.#random.chance(0.7)) processes.killIngest(ingest, this.#random.between(20, 500));
    processes.restartEngine(this.#random.between(20, 500));
    this.#insist(from);
  }

  /** What stands in its outbox under a number becomes something else. */
  #rewriteOutbox(outbox: Map<string, Buffer>, sequence: bigint): void {
    const key = keyOf(EVENT, sequence).toString('latin1');
    const held = outbox.get(key);
    const [, data] = this.#simulation.engine.otherFramesOf(sequence);
    if (held) outbox.set(key, Buffer.concat([held.subarray(0, TOTAL_BYTES), data]));
  }

  /** It lost its outbox, and begins again at 1 with another stream. */
  #restartNumbering(): void {
    const { engine, processes } = this.#simulation;
    processes.outbox = 'outbox-2';
    processes.story = {
      lastStated: RESTARTED_EVENTS,
      framesOf: (sequence) => engine.otherFramesOf(sequence),
    };
    processes.restartEngine(50);
  }

  /** It says something else under an old number, again and again. */
  #insist(from: bigint): void {
    const { scheduler, network, engine } = this.#simulation;
    if (this.isFound() === true) return;
    for (const link of network.dataLinks) network.inject(link, [...engine.otherFramesOf(from)]);
    scheduler.in(scheduler.world, INSIST_MS, () => {
      this.#insist(from);
    });
  }
}
