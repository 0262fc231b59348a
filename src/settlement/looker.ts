/**
 * Looks at the database for waiting events that memory cannot decide: the oldest first, a bounded number in a round,
 * each after a delay of its own that doubles. The watermark is read before own rows and balances, since one read later
 * could speak of events whose balances were read before.
 */
import type { Clock } from './clock.ts';
import type { HeldBalance } from './held-balance.ts';
import type { SettlerLimits } from './limits.ts';
import { isAhead } from './observe.ts';
import type { SettlementStorage, StoredBalance, StoredEventRow } from './port.ts';
import { taskId, type Task } from './task.ts';

/** What one round of reads found for one event. */
export interface Look {
  readonly watermark: bigint;
  /** When rows and balances were asked for, and when they were there, ms. */
  readonly readIssuedMs: number;
  readonly readEndedMs: number;
  readonly row: StoredEventRow | undefined;
  readonly balances: ReadonlyMap<HeldBalance, StoredBalance | undefined>;
}

/** Whose events are looked at. */
export interface LookListener {
  /** Events at hand, by stream and sequence ("main/12"). */
  readonly tasks: ReadonlyMap<string, Task>;
  seen(task: Task, look: Look): void;
  unavailable(tasks: readonly Task[], error: unknown): void;
}

/** Pauses between two rounds are at least this part of the first delay. */
const PAUSE_PART = 2;

/** Decides when to read for which event, and reads. */
export class Looker {
  readonly #storage: SettlementStorage;
  readonly #clock: Clock;
  readonly #limits: SettlerLimits;
  readonly #listener: LookListener;
  /** When the next round begins; infinite where none is planned. */
  #nextMs = Number.POSITIVE_INFINITY;
  #cancelNext: (() => void) | undefined;
  #looking = false;

  constructor(storage: SettlementStorage, clock: Clock, limits: SettlerLimits, listener: LookListener) {
    this.#storage = storage;
    this.#clock = clock;
    this.#limits = limits;
    this.#listener = listener;
  }

  /** Plans a look for an event. */
  later(task: Task, delayMs: number): void {
    task.lookAtMs = this.#clock.now() + delayMs;
    this.#plan(task.lookAtMs);
  }

  #plan(atMs: number): void {
    if (this.#looking || atMs >= this.#nextMs) return;
    this.#cancelNext?.();
    this.#nextMs = atMs;
    this.#cancelNext = this.#clock.after(Math.max(atMs - this.#clock.now(), 1), () => {
      this.#looking = true;
      void this.#look().finally(() => {
        this.#looking = false;
        this.#nextMs = Number.POSITIVE_INFINITY;
        this.#cancelNext = undefined;
        this.#planNext();
      });
    });
  }

  #planNext(): void {
    let earliest = Number.POSITIVE_INFINITY;
    for (const task of this.#listener.tasks.values())
      if (task.state === 'waiting' && task.lookAtMs < earliest) earliest = task.lookAtMs;
    if (Number.isFinite(earliest))
      this.#plan(Math.max(earliest, this.#clock.now() + this.#limits.lookMsFirst / PAUSE_PART));
  }

  /** One round. Events that are due and find no room keep their turn for the next. */
  async #look(): Promise<void> {
    const now = this.#clock.now();
    const due: Task[] = [];
    for (const task of this.#listener.tasks.values()) {
      if (task.state !== 'waiting' || task.lookAtMs > now) continue;
      if (this.#isMoving(task)) task.lookAtMs = now + task.lookDelayMs;
      else due.push(task);
    }
    due.sort((a, b) => (a.event.sequence < b.event.sequence ? -1 : 1));
    const byStream = new Map<string, Task[]>();
    for (const task of due.slice(0, this.#limits.lookEventsMax)) {
      task.lookAtMs = now + task.lookDelayMs;
      task.lookDelayMs = Math.min(task.lookDelayMs * 2, this.#limits.lookMsMax);
      const tasks = byStream.get(task.stream);
      if (tasks) tasks.push(task);
      else byStream.set(task.stream, [task]);
    }
    for (const [stream, tasks] of byStream) await this.#lookAt(stream, tasks);
  }

  /**
   * True where memory will tell: a balance is being read or written, or its next event is at hand. Not of an event that
   * a balance has passed: it is settled or taken, which only the database knows, however busy the balance is.
   */
  #isMoving(task: Task): boolean {
    if (task.held.some((held) => !held.head)) return true;
    if (isAhead(task)) return false;
    return (
      task.held.some((held) => held.dirty) ||
      task.predecessors.some((one) => one !== undefined && this.#listener.tasks.has(taskId(task.stream, one)))
    );
  }

  async #lookAt(stream: string, tasks: readonly Task[]): Promise<void> {
    try {
      const watermark = await this.#storage.readWatermark(stream);
      const readIssuedMs = this.#clock.now();
      const held = [...new Set(tasks.flatMap((task) => task.held))];
      const [rows, stored] = await Promise.all([
        this.#storage.readEventRows(stream, tasks),
        this.#storage.readBalances(held),
      ]);
      const readEndedMs = this.#clock.now();
      const balances = new Map(held.map((one, index) => [one, stored[index]]));
      for (const [index, task] of tasks.entries())
        if (task.state === 'waiting')
          this.#listener.seen(task, { watermark, readIssuedMs, readEndedMs, row: rows[index], balances });
    } catch (error) {
      this.#listener.unavailable(tasks, error);
    }
  }
}
