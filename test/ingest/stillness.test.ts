/** An ingest whose events are not settled says so, and stops saying so. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Stillness } from '../../src/ingest/stillness.ts';
import type { Logger } from '../../src/logging/index.ts';

const state = { inFlight: 0, persisted: 0n, isHalted: false };
const said: unknown[] = [];
let stillness: Stillness;

beforeEach(() => {
  vi.useFakeTimers();
  Object.assign(state, { inFlight: 5, persisted: 7n, isHalted: false });
  said.length = 0;
  stillness = new Stillness({
    log: { warn: (fields: object) => said.push(fields) } as unknown as Logger,
    inFlight: () => state.inFlight,
    persisted: () => state.persisted,
    isHalted: () => state.isHalted,
  });
});
afterEach(() => {
  stillness.close();
  vi.useRealTimers();
});

test('where nothing settles it is said, and less and less often', () => {
  vi.advanceTimersByTime(60_000);
  expect(said).toMatchObject([{ inFlight: 5, watermark: '7', seconds: 5 }, { seconds: 15 }, { seconds: 35 }]);
});

test.each([
  ['the watermark moves', () => (state.persisted += 1n)],
  ['nothing is in flight', () => (state.inFlight = 0)],
  ['a partition is halted, which is told by itself', () => (state.isHalted = true)],
])('it is not said where %s', (_what, change) => {
  for (let second = 0; second < 60; second += 1) {
    change();
    vi.advanceTimersByTime(1_000);
  }
  expect(said).toEqual([]);
});
