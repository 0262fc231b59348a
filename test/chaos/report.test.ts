/** The reports' arithmetic: back to work, and memory under pressure. */
import { expect, test } from 'vitest';
import { pressureOf, type MemorySample } from './pressure-report.ts';
import { backToWorkOf, tally } from './report.ts';

test('the median of the times back to work is one that was measured', () => {
  expect(backToWorkOf([])).toEqual({ count: 0, p50: 0, max: 0 });
  expect(backToWorkOf([3, 1, 2])).toEqual({ count: 3, p50: 2, max: 3 });
  expect(backToWorkOf([4, 1, 3, 2])).toEqual({ count: 4, p50: 2, max: 4 });
});

test('faults are counted by name, and those of our own processes apart', () => {
  const struck = [
    { name: 'kill-worker', ours: true, inFlight: 3_000, backToWorkMs: 4_000 },
    { name: 'kill-worker', ours: true, inFlight: 1_500, backToWorkMs: 6_000 },
    { name: 'kill-cassandra', ours: false, inFlight: 2_000, backToWorkMs: 9_000 },
    { name: 'cut-control', ours: false, inFlight: 2_500, backToWorkMs: 10 },
  ];
  const { faults, kills, inFlightMin, backToWorkMs } = tally(struck);
  expect(faults).toEqual({ 'kill-worker': 2, 'kill-cassandra': 1, 'cut-control': 1 });
  expect([kills, inFlightMin]).toEqual([3, 1_500]);
  expect(backToWorkMs).toMatchObject({ count: 4, p50: 4_000, max: 9_000, ours: { count: 2, max: 6_000 } });
});

const samples = (mib: (second: number) => number): MemorySample[] =>
  Array.from({ length: 300 }, (_, second) => ({
    atMs: second * 1000,
    ingestMiB: 200,
    workerMiB: mib(second),
  }));
const flow = { seconds: 300, offered: 100_000, settled: 9_000, inFlight: 10_000 };

test('memory that grows in the first minute alone is flat', () => {
  const report = pressureOf(
    samples((second) => Math.min(100 + 5 * second, 400)),
    flow,
  );
  expect(report).toMatchObject({ rssGrowth: { ingest: 0, worker: 0 }, ratio: 11.1, ok: true });
  expect(report.tenths).toHaveLength(10);
});

test('memory that grows on is not, and neither counts a run whose engine was not ten times faster', () => {
  const report = pressureOf(
    samples((second) => 100 + second),
    flow,
  );
  expect(report.rssGrowth.worker).toBeGreaterThan(0.5);
  expect(report.ok).toBe(false);
  expect(
    pressureOf(
      samples(() => 100),
      { ...flow, settled: 20_000 },
    ).ok,
  ).toBe(false);
});
