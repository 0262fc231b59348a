/**
 * Balances that the settler holds in memory: only those that events at hand need, and only as long (reference counted).
 * The head runs ahead of the database while events that change it are being written; such a balance is *dirty*.
 */
import { balanceName, type Balance, type BalanceKey } from '../domain/balance.ts';
import type { StoredBalance } from './port.ts';
import type { Task } from './task.ts';

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
  readonly #waiting = new Map<bigint, Set<Task>>();

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
    if (tasks) tasks.add(task);
    else this.#waiting.set(version, new Set([task]));
  }

  /** An event that no longer waits. */
  unwait(version: bigint, task: Task): void {
    const tasks = this.#waiting.get(version);
    if (tasks?.delete(task) && tasks.size === 0) this.#waiting.delete(version);
  }

  /** Events whose version the head has reached or passed, taken out of the waiting. */
  *reached(): Generator<Task> {
    const version = this.head?.version;
    if (version === undefined || this.#waiting.size === 0) return;
    const exact = this.#waiting.get(version);
    if (exact) {
      this.#waiting.delete(version);
      yield* exact;
    }
    for (const [waited, tasks] of this.#waiting)
      if (waited < version) {
        this.#waiting.delete(waited);
        yield* tasks;
      }
  }
}
