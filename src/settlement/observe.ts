/**
 * What a task looks like to the decision: from memory, or from a read of the database.
 */
import type { Balance } from '../domain/balance.ts';
import type { Mismatch, ObservedTouch } from '../domain/decision.ts';
import type { Touch } from '../domain/legs.ts';
import type { Task } from './task.ts';

/** A touch upon a balance as it was found. */
export function observeTouch(
  touch: Touch,
  predecessor: bigint | undefined,
  found: Balance,
  writeTimeNormal: boolean,
): ObservedTouch {
  return {
    userId: touch.userId,
    assetId: touch.assetId,
    expectedVersion: touch.expectedVersion,
    afterVersion: touch.afterVersion,
    predecessor,
    foundVersion: found.version,
    foundLastSequence: found.lastSequence,
    writeTimeNormal,
  };
}

/** The task's touches upon the balances in memory; undefined while one of them is not read. */
export function observeHeld(task: Task): ObservedTouch[] | undefined {
  const touches: ObservedTouch[] = [];
  for (let index = 0; index < task.touches.length; index += 1) {
    const touch = task.touches[index];
    const held = task.held[index];
    if (!touch || !held?.head) return undefined;
    touches.push(observeTouch(touch, task.predecessors[index], held.head, held.writeTimeNormal));
  }
  return touches;
}

/** True if a balance in memory has passed the version that the task expects. */
export function isAhead(task: Task): boolean {
  return task.touches.some((touch, index) => {
    const found = task.held[index]?.head?.version;
    return found !== undefined && found > touch.expectedVersion;
  });
}

/** The balances that are not at the versions the task expects. */
export function mismatches(task: Task): Mismatch[] {
  return task.touches.flatMap((touch, index) => {
    const found = task.held[index]?.head?.version;
    if (found === undefined || found === touch.expectedVersion) return [];
    return [{ userId: touch.userId, assetId: touch.assetId, expected: touch.expectedVersion, found }];
  });
}
