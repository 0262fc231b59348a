/**
 * Balances that the settler holds in memory: only those that events at hand need, and only as long (reference counted).
 * The head runs ahead of the database while events that change it are being written; such a balance is *dirty*.
 */
import { balanceName, type Balance, type BalanceKey } from '../domain/balance.ts';
import type { StoredBalance } from './port.ts';
import type { Task } from './task.ts';

/** The head moves by so few versions with one event; by more where it was read. */
const STEPS_LOOKED_FOR_MAX = 4n;
const NONE: readonly Task[] = [];

/** One balance at hand. */
export class HeldBalance implements BalanceKey {
  readonly userId: bigint;
  readonly assetId: number;
  readonly name: string;
  /** Its newest known value, written or about to be; undefined until it is read. */
  head: Balance | undefined;
  writeTimeNormal = true;
  /** The event that brought the head, while its batch is not acknowledged. */
  writer: Task | undefined;
  /** Events at hand that touch it. */
  uses = 0;
  /** Events that wait for it to reach a version. */
  readonly #waiting = new Map<bigint, Task[]>();

  constructor(key: BalanceKey) {
    this.userId = key.userId;
    this.assetId = key.assetId;
    this.name = balanceName(key);
  }

  /** True while the head is ahead of what the database has acknowledged. */
  get dirty(): boolean {
    return this.writer !== undefined;
  }

  /** Takes over what was read, unless the head is newer or about to be written. */
  refresh(stored: StoredBalance): boolean {
    if (
      this.dirty ||
      (this.head && this.head.version >= stored.version && this.writeTimeNormal === stored.writeTimeNormal)
    )
      return false;
    this.head = stored;
    this.writeTimeNormal = stored.writeTimeNormal;
    return true;
  }

  /** Forgets its value. */
  forget(): void {
    this.head = undefined;
    this.writer = undefined;
  }

  /** Takes the value back that an event brings whose batch is under way. */
  keep(task: Task, after: Balance | undefined): void {
    if (!after || (this.head && this.head.version > after.version)) return;
    this.head = after;
    this.writer = task;
  }

  /** Lets an event wait for a version. */
  wait(version: bigint, task: Task): void {
    const tasks = this.#waiting.get(version);
    if (!tasks) this.#waiting.set(version, [task]);
    else if (!tasks.includes(task)) tasks.push(task);
  }

  /** An event that waits for the lowest version; undefined where none waits. */
  get nextWaiting(): Task | undefined {
    let lowest: bigint | undefined;
    for (const version of this.#waiting.keys())
      if (lowest === undefined || version < lowest) lowest = version;
    return lowest === undefined ? undefined : this.#waiting.get(lowest)?.[0];
  }

  /** An event that no longer waits. */
  unwait(version: bigint, task: Task): void {
    if (this.#waiting.size === 0) return;
    const tasks = this.#waiting.get(version);
    const at = tasks?.indexOf(task) ?? -1;
    if (!tasks || at < 0) return;
    if (tasks.length === 1) this.#waiting.delete(version);
    else tasks.splice(at, 1);
  }

  /**
   * Events whose version the head has reached or passed, taken out of the waiting.
   *
   * @param from the head's version before; undefined where it had none. A few versions on, only those are looked for:
   *   thousands may wait for a busy balance
   */
  reached(from: bigint | undefined): readonly Task[] {
    const version = this.head?.version;
    if (version === undefined || this.#waiting.size === 0) return NONE;
    if (from === undefined || version < from || version - from > STEPS_LOOKED_FOR_MAX)
      return this.#takeUpTo(version);
    let taken = NONE;
    for (let one = from; one <= version; one += 1n) {
      const tasks = this.#waiting.get(one);
      if (!tasks) continue;
      this.#waiting.delete(one);
      taken = taken.length === 0 ? tasks : [...taken, ...tasks];
    }
    return taken;
  }

  #takeUpTo(version: bigint): readonly Task[] {
    const taken: Task[] = [];
    for (const [waited, tasks] of this.#waiting)
      if (waited <= version) {
        this.#waiting.delete(waited);
        taken.push(...tasks);
      }
    return taken;
  }
}
