/** How often the peeker reads, and what: by fake timers, over balances whose events are on another worker. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { BalanceKey } from '../../src/domain/balance.ts';
import { systemClock } from '../../src/settlement/clock.ts';
import { HeldBalance } from '../../src/settlement/held-balance.ts';
import { SETTLER_LIMITS } from '../../src/settlement/limits.ts';
import { Peeker } from '../../src/settlement/peeker.ts';
import type { StoredBalance } from '../../src/settlement/port.ts';
import type { Task } from '../../src/settlement/task.ts';
import { untouched } from '../domain/events.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A peeker over so many balances, each at version 0 and waited for at a higher one. */
function scene({ balances = 1, predecessor }: { balances?: number; predecessor?: bigint } = {}) {
  const tasks = new Map<string, Task>();
  const reads: { readonly atMs: number; readonly count: number }[] = [];
  const read = new Set<bigint>();
  const state = { version: 0n, isDown: false };
  const startMs = systemClock.now();
  const peeker = new Peeker(
    {
      readBalances: (keys: readonly BalanceKey[]): Promise<StoredBalance[]> => {
        reads.push({ atMs: systemClock.now() - startMs, count: keys.length });
        for (const { userId } of keys) read.add(userId);
        if (state.isDown) return Promise.reject(new Error('the database is away'));
        const { version } = state;
        return Promise.resolve(
          keys.map((key) => ({ ...key, ...untouched(key), version, writeTimeNormal: true })),
        );
      },
    },
    systemClock,
    SETTLER_LIMITS,
    { tasks, peeked: (held, stored) => held.refresh(stored) },
  );
  const waiting = Array.from({ length: balances }, (_, at) => {
    const held = new HeldBalance({ userId: BigInt(at + 1), assetId: 1 });
    held.head = untouched(held);
    held.uses = 1;
    const task = {
      stream: 'main',
      held: [held],
      predecessors: [predecessor],
      sinceMs: startMs,
    } as unknown as Task;
    held.wait(1_000n, task);
    return { held, task };
  });
  for (const { held } of waiting) peeker.note(held);
  return { tasks, reads, read, state, peeker, waiting };
}

describe('a peeker', () => {
  test('reads nothing for what has just come', async () => {
    const { reads } = scene();
    await vi.advanceTimersByTimeAsync(SETTLER_LIMITS.peekAfterMs - 1);
    expect(reads).toEqual([]);
    await vi.advanceTimersByTimeAsync(SETTLER_LIMITS.peekMsMax);
    expect(reads.length).toBeGreaterThan(0);
  });

  test('reads nothing while the event that brings the balance on is at hand, or being written', async () => {
    const atHand = scene({ predecessor: 7n });
    atHand.tasks.set('main/7', atHand.waiting[0]!.task);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(atHand.reads).toEqual([]);
    atHand.tasks.clear();
    atHand.waiting[0]!.held.writer = atHand.waiting[0]!.task;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(atHand.reads).toEqual([]);
    atHand.waiting[0]!.held.writer = undefined;
    await vi.advanceTimersByTimeAsync(SETTLER_LIMITS.peekMsMax);
    expect(atHand.reads).toHaveLength(1);
  });

  test('is rare and small while nothing moves, and gets round to every balance', async () => {
    const { reads, read, waiting } = scene({ balances: 100 });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(reads.length).toBeLessThanOrEqual(10_000 / SETTLER_LIMITS.peekMsMax + 5);
    expect(Math.max(...reads.map(({ count }) => count))).toBeLessThanOrEqual(SETTLER_LIMITS.peekBalancesMin);
    expect(read.size).toBe(waiting.length);
  });

  test('is frequent and large while balances move', async () => {
    const { reads, state } = scene({ balances: 2_000 });
    for (let step = 1n; step <= 100n; step += 1n) {
      state.version = step;
      await vi.advanceTimersByTimeAsync(20);
    }
    const late = reads.filter(({ atMs }) => atMs > 1_000);
    expect(late.length).toBeGreaterThanOrEqual(0.8 * (1_000 / SETTLER_LIMITS.peekMsFirst));
    expect(late.every(({ count }) => count === SETTLER_LIMITS.peekBalancesMax)).toBe(true);
  });

  test('goes on where the database was away, and ends where nobody waits any more', async () => {
    const { reads, state, waiting } = scene({ balances: 3 });
    state.isDown = true;
    await vi.advanceTimersByTimeAsync(1_000);
    const before = reads.length;
    expect(before).toBeGreaterThan(0);
    state.isDown = false;
    state.version = 5n;
    await vi.advanceTimersByTimeAsync(SETTLER_LIMITS.peekMsMax);
    expect(waiting.every(({ held }) => held.head?.version === 5n)).toBe(true);
    for (const { held, task } of waiting) held.unwait(1_000n, task);
    await vi.advanceTimersByTimeAsync(SETTLER_LIMITS.peekMsMax);
    const { length } = reads;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(reads).toHaveLength(length);
  });
});
