/**
 * The balances at hand: each as long as an event at hand touches it, read when the first does, and no longer.
 */
import { balanceName, type BalanceKey } from '../domain/balance.ts';
import { HeldBalance } from './held-balance.ts';
import type { Task } from './task.ts';

/** Balances by name, counted by the events that touch them. */
export class HeldBalances {
  readonly #balances = new Map<string, HeldBalance>();
  /** New ones, not yet asked for. */
  #unread: HeldBalance[] = [];

  /** How many are at hand. */
  get size(): number {
    return this.#balances.size;
  }

  /** The balance, held once more. A new one is to be read: {@link takeUnread}. */
  hold(key: BalanceKey): HeldBalance {
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

  /** Lets go of the balances of an event that no longer needs them. */
  release(task: Task): void {
    for (let index = 0; index < task.held.length; index += 1) {
      const held = task.held[index];
      const touch = task.touches[index];
      if (!held || !touch) continue;
      held.unwait(touch.expectedVersion, task);
      held.unwait(-1n, task);
      held.uses -= 1;
      if (held.uses === 0) this.#balances.delete(held.name);
    }
  }

  /** The balances that are to be read and are still needed, each once. */
  takeUnread(): HeldBalance[] {
    const unread = this.#unread.filter((held) => held.uses > 0);
    this.#unread = [];
    return unread;
  }

  /** Forgets every value but those that the events bring whose batches are under way (I5). */
  forgetAllBut(underWay: readonly Task[]): void {
    this.#unread = [];
    for (const held of this.#balances.values()) held.forget();
    for (const task of underWay)
      for (const [index, held] of task.held.entries()) held.keep(task, task.after[index]);
  }
}
