/**
 * The settler: one per worker process, shared by its partitions. It holds the events at hand and the balances they
 * need, calculates an event the moment its predecessors are calculated, in whichever partition they came, and hands it
 * to the group commit (committer.ts), then to the entries (entry-writer.ts). What memory cannot tell is looked up and
 * decided by domain/decision.ts. Nothing is remembered beyond need, and nothing at all after a failed write (I5).
 */
import { balanceName, type BalanceKey } from '../domain/balance.ts';
import { calculate } from '../domain/calculate.ts';
import { decide, type ConflictReason, type Mismatch } from '../domain/decision.ts';
import { entriesOf } from '../domain/entries.ts';
import { legsOf, touchesOf } from '../domain/legs.ts';
import { systemClock, type Clock } from './clock.ts';
import { Committer, type CommitCounts } from './committer.ts';
import { EntryWriter } from './entry-writer.ts';
import { HeldBalance } from './held-balance.ts';
import { checkLimits, SETTLER_LIMITS, type SettlerLimits } from './limits.ts';
import { mismatches, observeHeld, observeTouch } from './observe.ts';
import type { SettlementStorage, StoredBalance, StoredEventRow } from './port.ts';
import {
  StorageUnavailableError,
  type EventOutcome,
  type RequestedEvent,
  type SettleRequest,
  type SettlerPort,
} from './settle-request.ts';
import type { Asker, Task } from './task.ts';

/** What a settler is made of. */
export interface SettlerOptions {
  readonly storage: SettlementStorage;
  readonly limits?: Partial<SettlerLimits>;
  /** @default the machine's clock */
  readonly clock?: Clock;
}

/** Times that an attempt's bound is extended at most while its events get settled. */
const ATTEMPTS_EXTENDED_MAX = 4;

/** One event of a request, waited for. */
interface Asking {
  readonly outcome: Promise<EventOutcome>;
  /** The attempt's time is up: an event that is not being written is handed back. */
  leave(): void;
  /** The attempt is cancelled. */
  abort(reason: unknown): void;
}

/** Implements {@link SettlerPort}. */
export class Settler implements SettlerPort {
  readonly #storage: SettlementStorage;
  readonly #limits: SettlerLimits;
  readonly #clock: Clock;
  readonly #committer: Committer;
  readonly #entryWriter: EntryWriter;
  /** Events at hand, by stream and sequence. */
  readonly #tasks = new Map<string, Task>();
  #balances = new Map<string, HeldBalance>();
  /** Balances to be read in the next turn. */
  #unread: HeldBalance[] = [];
  /** Events to be evaluated; a queue instead of recursion, since one event may set off thousands. */
  readonly #evaluating: Task[] = [];
  #evaluatingNow = false;
  #cancelLook: (() => void) | undefined;
  #looking = false;

  constructor(options: SettlerOptions) {
    this.#storage = options.storage;
    this.#limits = { ...SETTLER_LIMITS, ...options.limits };
    checkLimits(this.#limits);
    this.#clock = options.clock ?? systemClock;
    this.#committer = new Committer(this.#storage, this.#clock, this.#limits, {
      written: (tasks) => {
        this.#written(tasks);
      },
      failed: (tasks, error) => {
        this.#failed(tasks, error);
      },
    });
    this.#entryWriter = new EntryWriter(this.#storage, this.#clock, this.#limits);
  }

  /** Batches sent so far. */
  get counts(): Readonly<CommitCounts> {
    return this.#committer.counts;
  }

  /** Events and balances in memory now: zero when nothing is asked. */
  get held(): { readonly events: number; readonly balances: number } {
    return { events: this.#tasks.size, balances: this.#balances.size };
  }

  async settle(request: SettleRequest): Promise<EventOutcome[]> {
    request.signal?.throwIfAborted();
    const askings = request.events.map((event) => this.#ask(request, event));
    this.#readUnread();
    const leaving = this.#leaveWithoutProgress(request, askings);
    const abort = (): void => {
      for (const asking of askings) asking.abort(request.signal?.reason);
    };
    request.signal?.addEventListener('abort', abort, { once: true });
    const outcomes = await Promise.allSettled(askings.map((asking) => asking.outcome));
    leaving.cancel();
    request.signal?.removeEventListener('abort', abort);
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }

  /**
   * Hands back what is not settled when nothing of the request got settled for `attemptMs`, or after
   * `ATTEMPTS_EXTENDED_MAX` times that: leaving while predecessors come in would only keep others waiting.
   */
  #leaveWithoutProgress(request: SettleRequest, askings: readonly Asking[]): { cancel(): void } {
    let settled = 0;
    let settledBefore = 0;
    let extended = 0;
    let cancel: () => void;
    for (const asking of askings)
      asking.outcome.then(
        () => (settled += 1),
        () => undefined,
      );
    const check = (): void => {
      extended += 1;
      if (settled === settledBefore || extended >= ATTEMPTS_EXTENDED_MAX) {
        for (const asking of askings) asking.leave();
        return;
      }
      settledBefore = settled;
      cancel = this.#clock.after(request.attemptMs, check);
    };
    cancel = this.#clock.after(request.attemptMs, check);
    return {
      cancel: () => {
        cancel();
      },
    };
  }

  /** Joins the event's task, or makes one. */
  #ask(request: SettleRequest, asked: RequestedEvent): Asking {
    const id = `${request.stream}/${asked.event.sequence}`;
    let task = this.#tasks.get(id);
    let asker: Asker | undefined;
    const outcome = new Promise<EventOutcome>((resolve, reject) => {
      asker = { resolve, reject };
    });
    if (task && !task.digest.equals(asked.digest)) {
      const [touch] = task.touches;
      if (touch)
        asker?.resolve({
          kind: 'conflict',
          reason: 'other-content',
          balance: { ...touch, expected: touch.expectedVersion, found: touch.expectedVersion },
        });
    } else {
      task ??= this.#begin(id, request, asked);
      if (asker) task.askers.add(asker);
      if (asked.doubtSinceMs !== undefined)
        task.doubtSinceMs = Math.min(task.doubtSinceMs ?? asked.doubtSinceMs, asked.doubtSinceMs);
    }
    const joined = task;
    return {
      outcome,
      leave: (): void => {
        if (!asker || !joined.askers.has(asker) || joined.state !== 'waiting') return;
        joined.askers.delete(asker);
        asker.resolve(openOutcome(joined));
        if (joined.askers.size === 0) this.#drop(joined);
      },
      abort: (reason: unknown): void => {
        if (!asker || !joined.askers.delete(asker)) return;
        asker.reject(reason instanceof Error ? reason : new Error('the attempt was cancelled'));
        if (joined.askers.size === 0 && joined.state === 'waiting') this.#drop(joined);
      },
    };
  }

  #begin(id: string, request: SettleRequest, asked: RequestedEvent): Task {
    const legs = legsOf(asked.event);
    const touches = touchesOf(legs);
    const task: Task = {
      id,
      stream: request.stream,
      event: asked.event,
      digest: asked.digest,
      settledBy: request.settledBy,
      predecessors: asked.predecessors,
      legs,
      touches,
      held: touches.map((touch) => this.#hold(touch)),
      askers: new Set(),
      state: 'waiting',
      doubtSinceMs: undefined,
      doubt: undefined,
      lookAtMs: Number.POSITIVE_INFINITY,
      lookDelayMs: this.#limits.lookMsFirst,
      blockers: 0,
      dependents: new Set(),
      inBatch: false,
    };
    this.#tasks.set(id, task);
    for (const held of task.held) if (!held.head) held.wait(-1n, task);
    this.#evaluate(task);
    return task;
  }

  #hold(key: BalanceKey): HeldBalance {
    const name = balanceName(key);
    let held = this.#balances.get(name);
    if (!held) {
      held = new HeldBalance(key);
      this.#balances.set(name, held);
      this.#unread.push(held);
    }
    held.uses += 1;
    return held;
  }

  #release(task: Task): void {
    for (const [index, held] of task.held.entries()) {
      const touch = task.touches[index];
      if (touch) held.unwait(touch.expectedVersion, task);
      held.unwait(-1n, task);
      held.uses -= 1;
      if (held.uses === 0 && this.#balances.get(held.name) === held) this.#balances.delete(held.name);
    }
  }

  /** Forgets an event that nobody asks for any more, or that has its answer. */
  #drop(task: Task): void {
    if (task.state === 'waiting' || task.state === 'calculated') this.#release(task);
    task.state = 'done';
    if (this.#tasks.get(task.id) === task) this.#tasks.delete(task.id);
  }

  #answer(task: Task, outcome: EventOutcome): void {
    this.#drop(task);
    for (const asker of task.askers) asker.resolve(outcome);
    task.askers.clear();
  }

  #refuse(task: Task, error: Error): void {
    this.#drop(task);
    for (const asker of task.askers) asker.reject(error);
    task.askers.clear();
  }

  /** Reads the balances that are new in memory, all in one round. */
  #readUnread(): void {
    const unread = this.#unread.filter((held) => held.uses > 0);
    this.#unread = [];
    if (unread.length === 0) return;
    void this.#read(unread);
  }

  async #read(unread: readonly HeldBalance[]): Promise<void> {
    try {
      const stored = await this.#storage.readBalances(unread);
      for (const [index, held] of unread.entries()) this.#refresh(held, stored[index]);
    } catch (error) {
      const reason = new StorageUnavailableError(`reading ${unread.length} balances failed`, error);
      const failed = new Set(unread);
      for (const task of this.#tasks.values())
        if (task.state === 'waiting' && task.held.some((held) => failed.has(held)))
          this.#refuse(task, reason);
    }
  }

  #refresh(held: HeldBalance, stored: StoredBalance | undefined): void {
    if (!stored || !held.refresh(stored)) return;
    for (const task of held.reached()) this.#evaluate(task);
  }

  /** Evaluates an event and, in turn, all that it sets free. */
  #evaluate(task: Task): void {
    this.#evaluating.push(task);
    if (this.#evaluatingNow) return;
    this.#evaluatingNow = true;
    try {
      for (let next = 0; next < this.#evaluating.length; next += 1) {
        const one = this.#evaluating[next];
        if (one?.state === 'waiting') this.#evaluateOne(one);
      }
    } finally {
      this.#evaluating.length = 0;
      this.#evaluatingNow = false;
    }
  }

  #evaluateOne(task: Task): void {
    const touches = observeHeld(task);
    if (!touches) return;
    const now = this.#clock.now();
    const decision = decide({
      sequence: task.event.sequence,
      touches,
      ownRow: 'unread',
      readIssuedMs: now,
      readEndedMs: now,
      doubtLimitMs: this.#limits.doubtMs,
    });
    if (decision.kind === 'ready') {
      this.#calculate(task);
      return;
    }
    for (const touch of task.touches.entries()) {
      const held = task.held[touch[0]];
      if (held?.head && held.head.version < touch[1].expectedVersion)
        held.wait(touch[1].expectedVersion, task);
    }
    // Memory alone settles nothing: what it says of an event that is not ready is confirmed by a look.
    const ahead =
      decision.kind === 'conflict' || touches.some((one) => one.foundVersion > one.expectedVersion);
    this.#lookLater(task, ahead ? 0 : task.lookDelayMs);
  }

  #calculate(task: Task): void {
    const before = task.held.map((held) => {
      if (!held.head) throw new Error(`settler: ${task.id} calculated before ${held.name} was read`);
      return held.head;
    });
    const result = calculate(task.event, task.digest, task.legs, task.touches, before);
    if (result.kind === 'conflict') {
      // Built on values that are not written yet, this could speak of events that never settle: wait for them.
      if (task.held.some((held) => held.dirty)) {
        this.#lookLater(task, this.#limits.lookMsFirst);
        return;
      }
      this.#conflict(task, result.reason, {
        ...result.balance,
        expected: result.expected,
        found: result.found,
      });
      return;
    }
    task.state = 'calculated';
    task.after = result.balances;
    task.entries = entriesOf(task.stream, task.event, result.legs);
    task.encoded = this.#storage.encodeEvent(task.stream, task, result.legs, task.settledBy);
    for (const [index, held] of task.held.entries()) {
      const writer = held.writer;
      if (writer && !writer.dependents.has(task)) {
        writer.dependents.add(task);
        task.blockers += 1;
      }
      held.writer = task;
      held.head = result.balances[index];
      held.writeTimeNormal = true;
    }
    this.#committer.add(task);
    for (const held of task.held) for (const waiter of held.reached()) this.#evaluate(waiter);
  }

  #conflict(task: Task, reason: ConflictReason, balance: Mismatch): void {
    this.#answer(task, { kind: 'conflict', reason, balance });
  }

  #written(tasks: readonly Task[]): void {
    for (const task of tasks) {
      for (const held of task.held) if (held.writer === task) held.writer = undefined;
      this.#release(task);
      task.state = 'written';
      void this.#writeEntries(task, false);
    }
  }

  /** Entries are acknowledged before the event is reported (I1a). */
  async #writeEntries(task: Task, duplicate: boolean): Promise<void> {
    try {
      await this.#entryWriter.write(task.entries ?? []);
      this.#answer(task, { kind: 'settled', duplicate });
    } catch (error) {
      this.#refuse(
        task,
        new StorageUnavailableError(`writing the ledger entries of ${task.id} failed`, error),
      );
    }
  }

  /** A batch that failed for good: forget all that is not under way by itself, and fail it (I5). */
  #failed(tasks: readonly Task[], error: unknown): void {
    const reason = new StorageUnavailableError(`a batch of ${tasks.length} events failed`, error);
    this.#committer.forget();
    this.#balances = new Map();
    this.#unread = [];
    const failed = new Set(tasks);
    for (const task of this.#tasks.values())
      if (failed.has(task) || task.state === 'waiting' || (task.state === 'calculated' && !task.inBatch))
        this.#refuse(task, reason);
  }

  #lookLater(task: Task, delayMs: number): void {
    task.lookAtMs = this.#clock.now() + delayMs;
    this.#scheduleLook(delayMs);
  }

  #scheduleLook(delayMs: number): void {
    if (this.#looking || this.#cancelLook) return;
    this.#cancelLook = this.#clock.after(Math.max(delayMs, 1), () => {
      this.#cancelLook = undefined;
      this.#looking = true;
      void this.#look().finally(() => {
        this.#looking = false;
        this.#scheduleNextLook();
      });
    });
  }

  #scheduleNextLook(): void {
    let earliest = Number.POSITIVE_INFINITY;
    for (const task of this.#tasks.values())
      if (task.state === 'waiting' && task.lookAtMs < earliest) earliest = task.lookAtMs;
    if (Number.isFinite(earliest))
      this.#scheduleLook(Math.max(earliest - this.#clock.now(), this.#limits.lookMsFirst / 5));
  }

  /** Looks at the database for the oldest events that memory cannot decide. */
  async #look(): Promise<void> {
    const now = this.#clock.now();
    const due: Task[] = [];
    for (const task of this.#tasks.values()) {
      if (task.state !== 'waiting' || task.lookAtMs > now) continue;
      // A balance that is being read or written, or whose next event is at hand, tells by itself when it is there.
      const moving =
        task.held.some((held) => held.dirty || !held.head) ||
        task.predecessors.some((one) => one !== undefined && this.#tasks.has(`${task.stream}/${one}`));
      task.lookAtMs = now + task.lookDelayMs;
      if (moving) continue;
      task.lookDelayMs = Math.min(task.lookDelayMs * 2, this.#limits.lookMsMax);
      due.push(task);
    }
    due.sort((a, b) => (a.event.sequence < b.event.sequence ? -1 : 1));
    const byStream = new Map<string, Task[]>();
    for (const task of due.slice(0, this.#limits.lookEventsMax)) {
      const tasks = byStream.get(task.stream);
      if (tasks) tasks.push(task);
      else byStream.set(task.stream, [task]);
    }
    for (const [stream, tasks] of byStream) await this.#lookAt(stream, tasks);
  }

  async #lookAt(stream: string, tasks: readonly Task[]): Promise<void> {
    try {
      // In this order: a watermark read later could speak of events whose balances were read before.
      const watermark = await this.#storage.readWatermark(stream);
      const readIssuedMs = this.#clock.now();
      const held = [...new Set(tasks.flatMap((task) => task.held))];
      const [rows, stored] = await Promise.all([
        this.#storage.readEventRows(stream, tasks),
        this.#storage.readBalances(held),
      ]);
      const found = new Map(held.map((one, index) => [one, stored[index]]));
      for (const [index, task] of tasks.entries())
        if (task.state === 'waiting') this.#decide(task, watermark, readIssuedMs, rows[index], found);
    } catch (error) {
      const reason = new StorageUnavailableError(`looking up ${tasks.length} events failed`, error);
      for (const task of tasks) if (task.state === 'waiting') this.#refuse(task, reason);
    }
  }

  #decide(
    task: Task,
    watermark: bigint,
    readIssuedMs: number,
    row: StoredEventRow | undefined,
    found: ReadonlyMap<HeldBalance, StoredBalance | undefined>,
  ): void {
    const touches = task.touches.map((touch, index) => {
      const held = task.held[index];
      const stored = held && found.get(held);
      if (!held || !stored)
        throw new Error(`settler: ${task.id} was looked at without ${balanceName(touch)}`);
      return {
        held,
        stored,
        seen: observeTouch(touch, task.predecessors[index], stored, stored.writeTimeNormal),
      };
    });
    // Memory has moved on while the read was under way: what was read is old.
    if (touches.some(({ held, stored }) => held.dirty || (held.head && held.head.version > stored.version)))
      return;
    const decision = decide({
      sequence: task.event.sequence,
      touches: touches.map(({ seen }) => seen),
      ownRow: row ? (row.digest.equals(task.digest) ? 'same' : 'other') : 'absent',
      watermarkBefore: watermark,
      readIssuedMs,
      readEndedMs: this.#clock.now(),
      doubtSinceMs: task.doubtSinceMs,
      doubtLimitMs: this.#limits.doubtMs,
    });
    switch (decision.kind) {
      case 'settled': {
        const below = task.event.sequence <= watermark;
        this.#release(task);
        task.state = 'written';
        task.entries = below ? [] : (row?.entries ?? []);
        void this.#writeEntries(task, true);
        return;
      }
      case 'conflict':
        this.#conflict(task, decision.reason, decision.balance);
        return;
      case 'doubt':
        task.doubtSinceMs = decision.sinceMs;
        task.doubt = decision.balance;
        break;
      default:
        task.doubt = undefined;
    }
    for (const { held, stored } of touches) this.#refresh(held, stored);
    if (decision.kind === 'ready') this.#evaluate(task);
  }
}

/** What is known of an event that an attempt leaves unsettled. */
function openOutcome(task: Task): EventOutcome {
  return task.doubt && task.doubtSinceMs !== undefined
    ? { kind: 'doubt', sinceMs: task.doubtSinceMs, balance: task.doubt }
    : { kind: 'behind', waiting: mismatches(task) };
}
