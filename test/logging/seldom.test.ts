/** What a peer repeats as often as it likes: how often it is told of. */
import { expect, test } from 'vitest';
import { Seldom } from '../../src/logging/seldom.ts';

test('a few times at once, then once in a while with what was passed over, each kind by itself', () => {
  let nowMs = 0;
  const seldom = new Seldom<'one' | 'other'>(() => nowMs);
  const told = (count: number): (number | undefined)[] =>
    Array.from({ length: count }, () => seldom.note('one')).filter((untold) => untold !== undefined);
  expect(told(100)).toEqual(Array.from({ length: 10 }, () => 0));
  nowMs += 9_999;
  expect(told(5)).toEqual([]);
  nowMs += 1;
  expect(told(5)).toEqual([95]);
  expect(seldom.note('other')).toBe(0);
  nowMs += 25_000;
  expect(told(5)).toEqual([4, 0]);
  // An hour of flood: six times a minute.
  let count = 0;
  for (let second = 0; second < 3_600; second += 1) {
    nowMs += 1_000;
    count += told(50).length;
  }
  expect(count).toBeLessThanOrEqual(361);
  // When it was quiet for long it may be told of as at first.
  nowMs += 600_000;
  expect(told(100)).toHaveLength(10);
});
