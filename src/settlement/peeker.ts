/**
 * Peeks at balances whose next event is on another worker: nothing tells when it is settled there. A look (looker.ts)
 * decides about an event and reads all that this takes, seldom; a peek reads balances alone, many and often, and events
 * whose balances have moved go on. While none moves, as always where one worker has the whole stream, peeks are rare and
 * small.
 */
import type { Clock } from './clock.ts';
import type { HeldBalance } from './held-balance.ts';
import type { SettlerLimits } from './limits.ts';
import type { SettlementStorage, StoredBalance } from './port.ts';
import { taskId, type Task } from './task.ts';

/** Who is told of what was read. */
export interface PeekListener {
  /** Events at hand, by stream and sequence ("main/12"). */
  readonly tasks: ReadonlyMap<string, Task>;
  /** @returns true if the balance has moved */
  peeked(held: HeldBalance, stored: StoredBalance): boolean;
}

/** A read that takes long is followed by a pause of so many times that, though by none beyond the longest. */
const PAUSE_TIMES = 2;

/** Decides when to read which balances, and reads. */
export class Peeker {
  readonly #storage: Pick<SettlementStorage, 'readBalances'>;
  readonly #clock: Clock;
  readonly #limits: SettlerLimits;
  readonly #listener: PeekListener;
  /** Balances that events wait for, those that were read longest ago first. */
  readonly #noted = new Set<HeldBalance>();
  #isPlanned = false;
  #pauseMs: number;
  #balancesMax: number;

  constructor(
    storage: Pick<SettlementStorage, 'readBalances'>,
    clock: Clock,
    limits: SettlerLimits,
    listener: PeekListener,
  ) {
    this.#storage = storage;
    this.#clock = clock;
    this.#limits = limits;
    this.#listener = listener;
    this.#pauseMs = limits.peekMsFirst;
    this.#balancesMax = limits.peekBalancesMin;
  }

  /** An event waits for this balance. */
  note(held: HeldBalance): void {
    this.#noted.add(held);
    this.#plan(this.#pauseMs);
  }

  #plan(ms: number): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#clock.after(ms, () => void this.#peekAndPlan());
  }

  async #peekAndPlan(): Promise<void> {
    const { peekMsFirst, peekMsMax } = this.#limits;
    const startedMs = this.#clock.now();
    try {
      const balances = this.#take();
      if (balances.length > 0) this.#adapt(await this.#peek(balances));
      // Nobody has waited for long enough, or all that is waited for is at hand.
      else this.#pauseMs = Math.min(this.#pauseMs + peekMsFirst, peekMsMax);
    } finally {
      this.#isPlanned = false;
      const tookMs = this.#clock.now() - startedMs;
      const pauseMs = Math.min(PAUSE_TIMES * tookMs, peekMsMax);
      if (this.#noted.size > 0) this.#plan(Math.max(this.#pauseMs, pauseMs));
    }
  }

  /** True if a balance has moved. Where the database does not answer, a look says so. */
  async #peek(balances: readonly HeldBalance[]): Promise<boolean> {
    const stored = await this.#storage.readBalances(balances).catch(() => undefined);
    const moved = balances.filter((held, index) => {
      const one = stored?.[index];
      return one !== undefined && this.#listener.peeked(held, one);
    });
    return moved.length > 0;
  }

  #adapt(hasMoved: boolean): void {
    const { peekMsFirst, peekMsMax, peekBalancesMin, peekBalancesMax } = this.#limits;
    this.#pauseMs = hasMoved ? peekMsFirst : Math.min(this.#pauseMs * 2, peekMsMax);
    this.#balancesMax = hasMoved
      ? Math.min(this.#balancesMax * 2, peekBalancesMax)
      : Math.max(this.#balancesMax / 2, peekBalancesMin);
  }

  /** The balances whose turn it is; forgets those that nobody waits for. */
  #take(): HeldBalance[] {
    const taken: HeldBalance[] = [];
    for (const held of this.#noted) {
      if (taken.length >= this.#balancesMax) break;
      if (held.uses > 0 && (held.dirty || !held.head)) continue;
      // Of one that is used no more, nobody waits.
      const task = held.nextWaiting;
      if (!task) this.#noted.delete(held);
      else if (this.#isElsewhere(held, task)) taken.push(held);
    }
    for (const held of taken) {
      this.#noted.delete(held);
      this.#noted.add(held);
    }
    return taken;
  }

  /** True where memory will not tell: an event waits for another that is not at hand, and has done so for a while. */
  #isElsewhere(held: HeldBalance, task: Task): boolean {
    if (this.#clock.now() - task.sinceMs < this.#limits.peekAfterMs) return false;
    const predecessor = task.predecessors[task.held.indexOf(held)];
    return predecessor === undefined || !this.#listener.tasks.has(taskId(task.stream, predecessor));
  }
}
