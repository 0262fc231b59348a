/** Which endings of a killed classic ingest are documented ones, and which are faults. */
import { expect, test } from 'vitest';
import { outcomeOf, type ClassicEnding } from './classic-outcome.ts';

const closed: ClassicEnding = { code: 0, said: '', findings: [] };
const mismatch = {
  reason: 'version-mismatch',
  message: 'trade 7',
  user: '1',
  asset: 2,
  expected: '3',
  stated: '5',
};

test('the documented endings', () => {
  expect(outcomeOf(closed)).toBe('complete');
  expect(outcomeOf({ ...closed, findings: ['oracle-mismatch', 'oracle-count'] })).toBe('found-by-oracle');
  expect(outcomeOf({ ...closed, code: 3, stop: mismatch, findings: ['oracle-count'] })).toBe(
    'stopped-by-name',
  );
  expect(outcomeOf({ ...closed, code: 3, said: 'lock 7 was received and never settled' })).toBe(
    'refused-to-open',
  );
});

test('anything else is a fault', () => {
  expect(outcomeOf({ ...closed, findings: ['line-without-row'] })).toBe('UNEXPLAINED');
  const { stated: _, ...nameless } = mismatch;
  expect(outcomeOf({ ...closed, code: 3, stop: nameless })).toBe('UNEXPLAINED');
  expect(outcomeOf({ ...closed, code: 1, said: 'TypeError: undefined' })).toBe('UNEXPLAINED');
  expect(outcomeOf({ ...closed, code: 3, said: 'nothing that would explain it' })).toBe('UNEXPLAINED');
  expect(outcomeOf({ ...closed, code: null })).toBe('UNEXPLAINED');
  expect(outcomeOf({ ...closed, code: 4 })).toBe('UNEXPLAINED');
});
