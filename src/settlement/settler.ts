/**
 * The settler: one per worker process, shared by its partitions. It holds the events at hand and the balances they
 * need, calculates an event the moment its predecessors are calculated, in whichever partition they came, and hands it
 * to the group commit (committer.ts), then to the entries (entry-writer.ts). What memory cannot tell is looked up and
 * decided by domain/decision.ts. Nothing is remembered beyond need, and nothing at all after a failed write (I5).
 */
import { balanceName } from '../domain/balance.ts';
import { calculate } from '../domain/calculate.ts';
import { decide, type ConflictReason, type Mismatch } from '../domain/decision.ts';
import { entriesOf } from '../domain/entries.ts';
import { legsOf, touchesOf } from '../domain/legs.ts';
import { AttemptBound, type Asking } from './attempt-bound.ts';
import { systemClock, type Clock } from './clock.ts';
import { Committer, type CommitCounts } from './committer.ts';
import { EntryWriter } from './entry-writer.ts';
import type { HeldBalance } from './held-balance.ts';
import { HeldBalances } from './held-balances.ts';
import { checkLimits, SETTLER_LIMITS, type SettlerLimits } from './limits.ts';
import { Looker, type Look } from './looker.ts';
import { isAhead, mismatches, observeHeld, observeTouch } from './observe.ts';
import type { SettlementStorage, StoredBalance } from './port.ts';
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

/** Implements {@link SettlerPort}. */
export class Settler implements SettlerPort {
  readonly #storage: SettlementStorage;
  readonly #limits: SettlerLimits;
  readonly #clock: Clock;
  readonly #committer: Committer;
  readonly #entryWriter: EntryWriter;
  /** Events at hand, by stream and sequence. */
  readonly #tasks = new Map<string, Task>();
  readonly #balances = new HeldBalances();
  /** Events to be evaluated; a queue instead of recursion, since one event may set off thousands. */
  readonly #evaluating: Task[] = [];
  #evaluatingNow = false;
  readonly #looker: Looker;

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
    this.#looker = new Looker(this.#storage, this.#clock, this.#limits, {
      tasks: this.#tasks,
      seen: (task, look) => {
        this.#seen(task, look);
      },
      unavailable: (tasks, error) => {
        const reason = new StorageUnavailableError(`looking up ${tasks.length} events failed`, error);
        for (const task of tasks) if (task.state === 'waiting') this.#refuse(task, reason);
      },
    });
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
    const bound = new AttemptBound(this.#clock, request.attemptMs, askings);
    const abort = (): void => {
      for (const asking of askings) asking.abort(request.signal?.reason);
    };
    request.signal?.addEventListener('abort', abort, { once: true });
    const outcomes = await Promise.allSettled(askings.map((asking) => asking.outcome));
    bound.cancel();
    request.signal?.removeEventListener('abort', abort);
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
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
      held: touches.map((touch) => this.#balances.hold(touch)),
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

  /** Forgets an event that nobody asks for any more, or that has its answer. */
  #drop(task: Task): void {
    if (task.state === 'waiting' || task.state === 'calculated') this.#balances.release(task);
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
    const unread = this.#balances.takeUnread();
    if (unread.length > 0) void this.#read(unread);
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
    const ahead = decision.kind === 'conflict' || isAhead(task);
    this.#looker.later(task, ahead ? 0 : task.lookDelayMs);
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
        this.#looker.later(task, this.#limits.lookMsFirst);
        return;
      }
      this.#conflict(task, result.reason, {
        ...result.balance,
        expected: result.expected,
        found: result.found,
      });
      return;
    }
    task.after = result.balances;
    task.entries = entriesOf(task.stream, task.event, result.legs);
    task.encoded = this.#storage.encodeEvent(task.stream, task, result.legs, task.settledBy);
    task.state = 'calculated';
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
      this.#balances.release(task);
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

  /**
   * A batch that failed for good: forget all that is not under way by itself, and fail it (I5). Batches under way were
   * built on acknowledged versions, so theirs alone stay, and what comes meanwhile waits for them (I4).
   */
  #failed(tasks: readonly Task[], error: unknown): void {
    const reason = new StorageUnavailableError(`a batch of ${tasks.length} events failed`, error);
    this.#committer.forget();
    const underWay: Task[] = [];
    for (const task of this.#tasks.values())
      if (task.state === 'waiting' || (task.state === 'calculated' && !task.inBatch))
        this.#refuse(task, reason);
      else if (task.state === 'calculated') underWay.push(task);
    this.#balances.forgetAllBut(underWay);
  }

  /** Decides about a waiting event by what a look found. */
  #seen(task: Task, look: Look): void {
    const touches = task.touches.map((touch, index) => {
      const held = task.held[index];
      const stored = held && look.balances.get(held);
      if (!held || !stored)
        throw new Error(`settler: ${task.id} was looked at without ${balanceName(touch)}`);
      return {
        held,
        stored,
        seen: observeTouch(touch, task.predecessors[index], stored, stored.writeTimeNormal),
      };
    });
    const decision = decide({
      sequence: task.event.sequence,
      touches: touches.map(({ seen }) => seen),
      ownRow: look.row ? (look.row.digest.equals(task.digest) ? 'same' : 'other') : 'absent',
      watermarkBefore: look.watermark,
      readIssuedMs: look.readIssuedMs,
      readEndedMs: look.readEndedMs,
      doubtSinceMs: task.doubtSinceMs,
      doubtLimitMs: this.#limits.doubtMs,
    });
    // Where memory has moved on while the read was under way, only what is settled stays as it was read. A write of ours
    // that a hand-made one hides leaves memory ahead for good, so that is no reason to wait.
    const moved = touches.some(
      ({ held, stored }) =>
        held.dirty || (held.head && held.head.version > stored.version && stored.writeTimeNormal),
    );
    if (moved && decision.kind !== 'settled') return;
    switch (decision.kind) {
      case 'settled':
        task.state = 'written';
        task.entries = task.event.sequence <= look.watermark ? [] : (look.row?.entries ?? []);
        void this.#writeEntries(task, true);
        break;
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
    if (decision.kind === 'settled') this.#balances.release(task);
    if (decision.kind === 'ready') this.#evaluate(task);
  }
}

/** What is known of an event that an attempt leaves unsettled. */
function openOutcome(task: Task): EventOutcome {
  return task.doubt && task.doubtSinceMs !== undefined
    ? { kind: 'doubt', sinceMs: task.doubtSinceMs, balance: task.doubt }
    : { kind: 'behind', waiting: mismatches(task) };
}
