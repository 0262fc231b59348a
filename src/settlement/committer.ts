/**
 * Group commit: calculated events are gathered into LOGGED BATCHes, whole events with every balance they change once,
 * at its last version (I1). A batch is sent only after those that wrote the versions it builds on have succeeded (I4);
 * what depends on an event may share its batch. Independent batches run side by side, up to a bound.
 */
import type { Clock } from './clock.ts';
import type { SettlerLimits } from './limits.ts';
import type { HeldBalance } from './held-balance.ts';
import type { BalanceWrite, EncodedEvent, SettlementStorage } from './port.ts';
import { untilWritten } from './repeat.ts';
import type { Task } from './task.ts';

/** Who is told how batches end. */
export interface CommitListener {
  written(tasks: readonly Task[]): void;
  failed(tasks: readonly Task[], error: unknown): void;
}

/** Counts of what was sent. */
export interface CommitCounts {
  batches: number;
  events: number;
  balances: number;
  bytes: number;
}

interface Group {
  readonly tasks: Task[];
  readonly balances: Map<HeldBalance, BalanceWrite>;
  bytes: number;
}

/** Sequences that a group spans at most beyond the oldest ready event, through events that follow from its own. */
const GROUP_SPAN_MAX = 2_000n;

function isBefore(task: Task, other: Task | undefined): boolean {
  return other !== undefined && task.event.sequence < other.event.sequence;
}

/** Orders and groups calculated events. */
export class Committer {
  readonly counts: CommitCounts = { batches: 0, events: 0, balances: 0, bytes: 0 };
  readonly #storage: SettlementStorage;
  readonly #clock: Clock;
  readonly #limits: SettlerLimits;
  readonly #listener: CommitListener;
  /** Events without blockers, by sequence: what was sent first is reported first, so that its sender can go on. */
  #ready: Task[] = [];
  #inFlight = 0;
  #pumping = false;

  constructor(storage: SettlementStorage, clock: Clock, limits: SettlerLimits, listener: CommitListener) {
    this.#storage = storage;
    this.#clock = clock;
    this.#limits = limits;
    this.#listener = listener;
  }

  /** Takes a calculated event. Its batch is sent when its blockers are written, or together with them. */
  add(task: Task): void {
    if (task.blockers === 0) this.#queue(task);
    this.#pump();
  }

  #queue(task: Task): void {
    const ready = this.#ready;
    let at = ready.length;
    if (at > 0 && isBefore(task, ready[at - 1])) {
      let low = 0;
      while (low < at) {
        const middle = (low + at) >> 1;
        if (isBefore(task, ready[middle])) at = middle;
        else low = middle + 1;
      }
    }
    ready.splice(at, 0, task);
  }

  /** Drops every event that is not in a batch under way. */
  forget(): void {
    this.#ready = [];
  }

  /** Sends batches in the next turn, so that events that come together are grouped. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      while (this.#inFlight < this.#limits.batchesInFlightMax && this.#ready.length > 0) {
        const group = this.#gather();
        this.#inFlight += 1;
        void this.#send(group);
      }
    });
  }

  /**
   * Takes events from the oldest on. Behind each come the events that wait for it alone, or for it and others of the
   * same batch: depth first, since what touches the same balances shares their rows; but none that is far younger than
   * the oldest ready one, which would be kept waiting.
   */
  #gather(): Group {
    const group: Group = { tasks: [], balances: new Map(), bytes: 0 };
    const taken = new Map<Task, number>();
    const chained: Task[] = [];
    let next = 0;
    const youngest = (this.#ready[0]?.event.sequence ?? 0n) + GROUP_SPAN_MAX;
    for (;;) {
      const fromChain = chained.length > 0;
      const task = fromChain ? chained[chained.length - 1] : this.#ready[next];
      if (!task || !this.#fits(group, task)) break;
      if (fromChain) chained.pop();
      else next += 1;
      this.#put(group, task);
      for (const dependent of task.dependents) {
        const blockersHere = (taken.get(dependent) ?? 0) + 1;
        taken.set(dependent, blockersHere);
        if (blockersHere === dependent.blockers && dependent.event.sequence <= youngest)
          chained.push(dependent);
      }
    }
    this.#ready.splice(0, next);
    return group;
  }

  #fits(group: Group, task: Task): boolean {
    if (group.tasks.length === 0) return true;
    if (group.tasks.length >= this.#limits.groupEventsMax) return false;
    let bytes = this.#encoded(task).bytes;
    for (const held of task.held) if (!group.balances.has(held)) bytes += this.#storage.balanceBytesMax;
    return group.bytes + bytes <= this.#limits.groupBytesMax;
  }

  /** Its row. Encoded when its turn comes, since thousands may wait for theirs. */
  #encoded(task: Task): EncodedEvent {
    task.encoded ??= this.#storage.encodeEvent(task.stream, task, task.calculated, task.settledBy);
    return task.encoded;
  }

  #put(group: Group, task: Task): void {
    group.tasks.push(task);
    task.inBatch = true;
    group.bytes += this.#encoded(task).bytes;
    for (const [index, held] of task.held.entries()) {
      const balance = task.after[index];
      if (!balance) throw new Error(`committer: ${task.id} has no calculated balance ${held.name}`);
      if (!group.balances.has(held)) group.bytes += this.#storage.balanceBytesMax;
      group.balances.set(held, {
        userId: held.userId,
        assetId: held.assetId,
        balance,
        timeMs: task.event.timeMs,
      });
    }
  }

  async #send(group: Group): Promise<void> {
    const { tasks } = group;
    const batch = {
      events: tasks.map((task) => this.#encoded(task)),
      balances: [...group.balances.values()],
    };
    try {
      await untilWritten(this.#clock, this.#limits, `a batch of ${tasks.length} events`, () =>
        this.#storage.writeBatch(batch),
      );
      this.counts.batches += 1;
      this.counts.events += tasks.length;
      this.counts.balances += batch.balances.length;
      this.counts.bytes += group.bytes;
      this.#end(tasks);
      this.#listener.written(tasks);
      this.#unblock(tasks);
    } catch (error) {
      this.#end(tasks);
      this.#listener.failed(tasks, error);
    } finally {
      this.#inFlight -= 1;
      this.#pump();
    }
  }

  #end(tasks: readonly Task[]): void {
    for (const task of tasks) {
      task.inBatch = false;
      task.encoded = undefined;
    }
  }

  #unblock(tasks: readonly Task[]): void {
    for (const task of tasks)
      for (const dependent of task.dependents) {
        dependent.blockers -= 1;
        if (dependent.blockers === 0 && dependent.state === 'calculated' && !dependent.inBatch)
          this.#queue(dependent);
      }
  }
}
