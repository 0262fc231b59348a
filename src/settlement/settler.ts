/**
 * The settler: one per worker process, shared by its partitions. It holds the events at hand and the balances they
 * need, calculates an event the moment its predecessors are calculated, in whichever partition they came, and hands it
 * to the group commit (committer.ts), then to the entries (entry-writer.ts). What memory cannot tell is looked up and
 * decided by domain/decision.ts. Nothing is remembered beyond need, and nothing at all after a failed write (I5).
 */
import { balanceName } from '../domain/balance.ts';
import { calculate } from '../domain/calculate.ts';
import { decide, type ConflictReason, type Mismatch } from '../domain/decision.ts';
import { entriesOf, type LedgerEntry } from '../domain/entries.ts';
import { legsOf, touchesOf } from '../domain/legs.ts';
import { Attempt, type Asker } from './attempt.ts';
import { AttemptBound } from './attempt-bound.ts';
import { systemClock, type Clock } from './clock.ts';
import { Committer, type CommitCounts } from './committer.ts';
import { EntryWriter } from './entry-writer.ts';
import type { HeldBalance } from './held-balance.ts';
import { HeldBalances } from './held-balances.ts';
import { checkLimits, SETTLER_LIMITS, type SettlerLimits } from './limits.ts';
import { Looker, type Look } from './looker.ts';
import { isAhead, mismatches, observeHeld, observeTouch } from './observe.ts';
import { Peeker } from './peeker.ts';
import type { SettlementStorage, StoredBalance } from './port.ts';
import {
  StorageUnavailableError,
  type EventOutcome,
  type RequestedEvent,
  type SettleRequest,
  type SettlerPort,
} from './settle-request.ts';
import { taskId, type Task } from './task.ts';

/** What a settler is made of. */
export interface SettlerOptions {
  readonly storage: SettlementStorage;
  readonly limits?: Partial<SettlerLimits>;
  /** @default the machine's clock */
  readonly clock?: Clock;
}

/** About 2 ms of work. */
const EVALUATED_AT_ONCE_MAX = 50;

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
  readonly #peeker: Peeker;

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
    this.#peeker = new Peeker(this.#storage, this.#clock, this.#limits, {
      tasks: this.#tasks,
      peeked: (held, stored) => this.#refresh(held, stored),
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
    const attempt = new Attempt(request.events.length);
    const askers = request.events.map((event, place) => this.#ask(request, event, attempt, place));
    this.#readUnread();
    const leave = (): void => {
      for (const asker of askers) this.#leave(asker);
    };
    const bound = new AttemptBound(this.#clock, request.attemptMs, () => attempt.ended, leave);
    const abort = (): void => {
      const { reason } = request.signal ?? {};
      const error = reason instanceof Error ? reason : new Error('the attempt was cancelled');
      for (const asker of askers) this.#abort(asker, error);
    };
    request.signal?.addEventListener('abort', abort, { once: true });
    request.leave?.addEventListener('abort', leave, { once: true });
    if (request.leave?.aborted) leave();
    try {
      return await attempt.outcomes;
    } finally {
      bound.cancel();
      request.leave?.removeEventListener('abort', leave);
      request.signal?.removeEventListener('abort', abort);
    }
  }

  /** Joins the event's task, or makes one. */
  #ask(request: SettleRequest, asked: RequestedEvent, attempt: Attempt, place: number): Asker {
    const id = taskId(request.stream, asked.event.sequence);
    const atHand = this.#tasks.get(id);
    if (atHand && !atHand.digest.equals(asked.digest)) {
      const [touch] = atHand.touches;
      if (!touch) throw new Error(`settler: ${id} touches no balance`);
      const balance = { ...touch, expected: touch.expectedVersion, found: touch.expectedVersion };
      attempt.answer(place, { kind: 'conflict', reason: 'other-content', balance });
      return { attempt, place, task: undefined };
    }
    const task = atHand ?? this.#begin(id, request, asked);
    const asker: Asker = { attempt, place, task };
    task.askers.push(asker);
    if (asked.doubtSinceMs !== undefined)
      task.doubtSinceMs = Math.min(task.doubtSinceMs ?? asked.doubtSinceMs, asked.doubtSinceMs);
    return asker;
  }

  /** The attempt's time is up: an event that is not being written is handed back. */
  #leave(asker: Asker): void {
    const { task } = asker;
    if (task?.state !== 'waiting' || !takeOut(task, asker)) return;
    asker.attempt.answer(asker.place, openOutcome(task));
    if (task.askers.length === 0) this.#drop(task);
  }

  /** The attempt is cancelled. What is being written goes on. */
  #abort(asker: Asker, error: Error): void {
    const { task } = asker;
    if (!task || !takeOut(task, asker)) return;
    asker.attempt.fail(asker.place, error);
    if (task.askers.length === 0 && task.state === 'waiting') this.#drop(task);
  }

  #begin(id: string, request: SettleRequest, asked: RequestedEvent): Task {
    // The legs are made again when they are calculated: thousands of events wait, and legs are most of what one holds.
    const touches = touchesOf(legsOf(asked.event));
    const task: Task = {
      id,
      stream: request.stream,
      event: asked.event,
      digest: asked.digest,
      settledBy: request.settledBy,
      predecessors: asked.predecessors,
      touches,
      held: touches.map((touch) => this.#balances.hold(touch)),
      askers: [],
      state: 'waiting',
      sinceMs: this.#clock.now(),
      doubtSinceMs: undefined,
      doubt: undefined,
      lookAtMs: Number.POSITIVE_INFINITY,
      lookDelayMs: this.#limits.lookMsFirst,
      blockers: 0,
      dependents: [],
      inBatch: false,
      calculated: [],
      after: [],
      encoded: undefined,
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
    for (const { attempt, place } of task.askers.splice(0)) attempt.answer(place, outcome);
  }

  #refuse(task: Task, error: Error): void {
    this.#drop(task);
    for (const { attempt, place } of task.askers.splice(0)) attempt.fail(place, error);
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

  /** Takes over what was read; true if it was newer than memory. */
  #refresh(held: HeldBalance, stored: StoredBalance | undefined): boolean {
    if (!stored || !held.refresh(stored)) return false;
    for (const task of held.reached(undefined)) this.#evaluate(task);
    return true;
  }

  /** Evaluates an event and, in turn, all that it sets free. */
  #evaluate(task: Task): void {
    this.#evaluating.push(task);
    if (!this.#evaluatingNow) this.#evaluateSome();
  }

  /**
   * Evaluates what is due, a slice at a time: one read may set thousands of events free, and meanwhile neither batches
   * nor Temporal's tasks would get their turn.
   */
  #evaluateSome(): void {
    this.#evaluatingNow = true;
    const due = this.#evaluating;
    let next = 0;
    try {
      for (; next < due.length && next < EVALUATED_AT_ONCE_MAX; next += 1) {
        const one = due[next];
        if (one?.state === 'waiting') this.#evaluateOne(one);
      }
    } finally {
      due.splice(0, next);
      if (due.length > 0) setImmediate(() => this.#evaluateSome());
      else this.#evaluatingNow = false;
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
    for (const [index, { expectedVersion }] of task.touches.entries()) {
      const held = task.held[index];
      if (!held?.head || held.head.version >= expectedVersion) continue;
      held.wait(expectedVersion, task);
      this.#peeker.note(held);
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
    const result = calculate(task.event, task.digest, legsOf(task.event), task.touches, before);
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
    task.calculated = result.legs;
    task.state = 'calculated';
    for (const [index, held] of task.held.entries()) {
      const { writer } = held;
      // Two balances may have one writer: it is then its last dependent already.
      if (writer && writer.dependents.at(-1) !== task) {
        writer.dependents.push(task);
        task.blockers += 1;
      }
      held.writer = task;
      held.head = result.balances[index];
      held.writeTimeNormal = true;
    }
    this.#committer.add(task);
    for (const [index, held] of task.held.entries())
      for (const waiter of held.reached(before[index]?.version)) this.#evaluate(waiter);
  }

  #conflict(task: Task, reason: ConflictReason, balance: Mismatch): void {
    this.#answer(task, { kind: 'conflict', reason, balance });
  }

  #written(tasks: readonly Task[]): void {
    for (const task of tasks) {
      for (const held of task.held) if (held.writer === task) held.writer = undefined;
      this.#balances.release(task);
      task.state = 'written';
      this.#writeEntries(task, entriesOf(task.stream, task.event, task.calculated), false);
    }
  }

  /** Entries are acknowledged before the event is reported (I1a). */
  #writeEntries(task: Task, entries: readonly LedgerEntry[], duplicate: boolean): void {
    this.#entryWriter.write(entries, (error) => {
      if (error === undefined) this.#answer(task, { kind: 'settled', duplicate });
      else
        this.#refuse(
          task,
          new StorageUnavailableError(`writing the ledger entries of ${task.id} failed`, error),
        );
    });
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
      touches: concerned(touches, look.row).map(({ seen }) => seen),
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
        this.#writeEntries(
          task,
          task.event.sequence <= look.watermark ? [] : (look.row?.entries ?? []),
          true,
        );
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

/** The touches that decide: of an event that was dismissed those alone whose versions it took (domain/void.ts). */
function concerned<T extends { readonly held: HeldBalance }>(
  touches: readonly T[],
  row: Look['row'],
): readonly T[] {
  const took = row?.dismissed;
  if (!took) return touches;
  return touches.filter(({ held }) =>
    took.some((one) => one.userId === held.userId && one.assetId === held.assetId),
  );
}

/** False where the asker has its answer already. */
function takeOut(task: Task, asker: Asker): boolean {
  const at = task.askers.indexOf(asker);
  if (at >= 0) task.askers.splice(at, 1);
  return at >= 0;
}

/** What is known of an event that an attempt leaves unsettled. */
function openOutcome(task: Task): EventOutcome {
  return task.doubt && task.doubtSinceMs !== undefined
    ? { kind: 'doubt', sinceMs: task.doubtSinceMs, balance: task.doubt }
    : { kind: 'behind', waiting: mismatches(task) };
}
