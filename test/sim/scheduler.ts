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
  readonly order: number;
  readonly process: Process;
  action: (() => void) | undefined;

  constructor(order: number, process: Process, action: () => void) {
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
  /** A heap of what is planned, and beside it each one's moment, so that a comparison touches numbers only. */
  readonly #heap: Planned[] = [];
  readonly #moments: number[] = [];
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
    const planned = new Planned(this.#order, process, then);
    this.#push(planned, this.nowMs + (ms > 0 ? ms : 0));
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
    const [atMs = 0] = this.#moments;
    const next = this.#pop();
    if (!next) return false;
    const { process } = next;
    if (!next.action || !process.alive) return true;
    if (atMs > this.nowMs) this.nowMs = atMs;
    if (process.stalledUntilMs > this.nowMs) {
      this.#push(next, process.stalledUntilMs);
      return true;
    }
    this.current = process;
    this.steps += 1;
    next.action();
    return true;
  }

  #push(planned: Planned, atMs: number): void {
    const heap = this.#heap;
    const moments = this.#moments;
    let at = heap.length;
    heap.push(planned);
    moments.push(atMs);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = moments[parent] as number;
      if (atMs > above || (atMs === above && planned.order > (heap[parent] as Planned).order)) break;
      heap[at] = heap[parent] as Planned;
      moments[at] = above;
      at = parent;
    }
    heap[at] = planned;
    moments[at] = atMs;
  }

  #pop(): Planned | undefined {
    const heap = this.#heap;
    const moments = this.#moments;
    const [top] = heap;
    const last = heap.pop();
    const lastMs = moments.pop();
    const { length } = heap;
    if (!last || lastMs === undefined || length === 0) return top;
    let at = 0;
    for (let child = 1; child < length; child = 2 * at + 1) {
      let childMs = moments[child] as number;
      if (child + 1 < length) {
        const rightMs = moments[child + 1] as number;
        if (rightMs < childMs || (rightMs === childMs && isBefore(heap, child + 1, child))) {
          child += 1;
          childMs = rightMs;
        }
      }
      if (childMs > lastMs || (childMs === lastMs && (heap[child] as Planned).order > last.order)) break;
      heap[at] = heap[child] as Planned;
      moments[at] = childMs;
      at = child;
    }
    heap[at] = last;
    moments[at] = lastMs;
    return top;
  }
}

/** Of two of one moment. */
function isBefore(heap: readonly Planned[], a: number, b: number): boolean {
  return (heap[a] as Planned).order < (heap[b] as Planned).order;
}
