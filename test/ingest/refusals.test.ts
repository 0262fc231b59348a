/** When a message that the transport does not take is known for what it is, on a clock of the test's own. */
import { expect, test } from 'vitest';
import { Refusals, refusedNext } from '../../src/ingest/refusals.ts';

function refusals() {
  const time = { nowMs: 0 };
  return { time, counting: new Refusals(() => time.nowMs) };
}

test('connections in a row that bring the last event again and are refused are counted', () => {
  const { counting } = refusals();
  expect(counting.ready(7n)).toBe(0);
  for (let round = 1; round <= 3; round += 1) {
    // The end may be told of before what came is read.
    if (round === 2) counting.refused();
    counting.compared();
    if (round !== 2) counting.refused();
    expect(counting.ready(7n)).toBe(round);
  }
});

test('one of which nothing was received yet has nothing to bring again', () => {
  const { counting } = refusals();
  counting.ready(0n);
  counting.refused();
  expect(counting.ready(0n)).toBe(1);
});

test.each<[string, (under: ReturnType<typeof refusals>) => bigint]>([
  [
    'brought something new',
    ({ counting }) => {
      counting.compared();
      counting.refused();
      return 8n;
    },
  ],
  [
    'did not come to the last event',
    ({ counting }) => {
      counting.refused();
      return 7n;
    },
  ],
  [
    'was closed, not refused',
    ({ counting }) => {
      counting.compared();
      return 7n;
    },
  ],
  [
    'had lasted for long',
    ({ counting, time }) => {
      counting.compared();
      time.nowMs += 60_000;
      counting.refused();
      return 7n;
    },
  ],
])('one that %s ends the row', (_what, pass) => {
  const under = refusals();
  under.counting.ready(7n);
  under.counting.compared();
  under.counting.refused();
  expect(under.counting.ready(7n)).toBe(1);
  expect(under.counting.ready(pass(under))).toBe(0);
});

test('the stop names the sequence and the limit', () => {
  expect(refusedNext(8n).stop).toMatchObject({ reason: 'hole', sequence: '8' });
  expect(refusedNext(8n).message).toContain('1 MiB');
});
