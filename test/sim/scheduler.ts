/**
 * Virtual time: one queue of everything that is still to happen, ordered by its moment, then by when it was planned.
 * Each thing happens in a process, and what it plans belongs to the same one; a process that is killed never gets what
 * was planned for it, one that is stopped (SIGSTOP) gets it late. So a crash may fall between any two completions.
 */

/** A simulated process. */
export class Process {
  readonly name: string;
  alive = true;
  /** Until then nothing happens in it, ms. */
  stalledUntilMs = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/** Something planned. */
export class Planned {
  atMs: number;
  readonly order: number;
  readonly process: Process;
  action: (() => void) | undefined;

  constructor(atMs: number, order: number, process: Process, action: () => void) {
    this.atMs = atMs;
    this.order = order;
    this.process = process;
    this.action = action;
  }

  cancel(): void {
    this.action = undefined;
  }
}

/** When a run begins, ms since the epoch. */
const START_MS = Date.UTC(2026, 0, 1);

/** The queue and the clock. */
export class Scheduler {
  nowMs = START_MS;
  /** Outside of every process: servers and the network. */
  readonly world = new Process('world');
  current = this.world;
  steps = 0;
  readonly #heap: Planned[] = [];
  #order = 0;

  /** Ms since the run began. */
  get elapsedMs(): number {
    return this.nowMs - START_MS;
  }

  /** Plans something in the current process. */
  after(ms: number, then: () => void): Planned {
    return this.in(this.current, ms, then);
  }

  /** Plans something in a process. */
  in(process: Process, ms: number, then: () => void): Planned {
    this.#order += 1;
    const planned = new Planned(this.nowMs + (ms > 0 ? ms : 0), this.#order, process, then);
    this.#push(planned);
    return planned;
  }

  /** A promise that is resolved in the current process. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
    });
  }

  /** Lets the next thing happen. False where nothing is left. */
  step(): boolean {
    const next = this.#pop();
    if (!next) return false;
    const { process } = next;
    if (!next.action || !process.alive) return true;
    if (next.atMs > this.nowMs) this.nowMs = next.atMs;
    if (process.stalledUntilMs > this.nowMs) {
      next.atMs = process.stalledUntilMs;
      this.#push(next);
      return true;
    }
    this.current = process;
    this.steps += 1;
    next.action();
    return true;
  }

  #push(planned: Planned): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(planned);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Planned;
      if (!isBefore(planned, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = planned;
  }

  #pop(): Planned | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (!top || !last || top === last) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right && isBefore(right, heap[child] as Planned)) child += 1;
      const below = heap[child] as Planned;
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
