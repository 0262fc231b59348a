/** When what lasts is warned of, on a clock of the test's own. */
import { expect, test } from 'vitest';
import { Silence } from '../../src/ingest/silence.ts';

test('what lasts is warned of after some seconds, again at growing intervals, and not once it is over', () => {
  let nowMs = 0;
  const warned: number[] = [];
  const silence = new Silence(
    (forMs) => warned.push(forMs),
    () => nowMs,
  );
  const pass = (toMs: number): void => {
    for (; nowMs <= toMs; nowMs += 500) silence.tick();
  };
  pass(20_000);
  expect(warned).toEqual([]);
  silence.begin();
  const begunMs = nowMs;
  pass(begunMs + 200_000);
  expect(warned).toEqual([5_000, 15_000, 35_000, 75_000, 135_000, 195_000]);
  silence.end();
  pass(nowMs + 100_000);
  expect(warned).toHaveLength(6);
});
