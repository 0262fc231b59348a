import { describe, expect, it } from 'vitest';
import { chartOf } from '../../bench/chart.ts';
import type { Contender, ContenderName, RoundResult, Verification } from '../../bench/contender.ts';
import { parseShares, planOf } from '../../bench/options.ts';
import { cpuSeconds, residentMiB, UsageMeter } from '../../bench/process/usage.ts';
import { ratiosWithinRounds, reportOf, type BenchReport } from '../../bench/report.ts';
import { rotated } from '../../bench/rounds.ts';
import { ratiosOf, tenthsOf } from '../../bench/soak.ts';
import { mean, median, quantile, significant } from '../../bench/statistics.ts';
import { describeReport } from '../../bench/table.ts';

describe('statistics', () => {
  it('takes the middle, or the mean of the two in the middle', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it('takes a quantile by rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([0, 0.5, 0.99, 1].map((share) => quantile(hundred, share))).toEqual([1, 50, 99, 100]);
    expect(quantile([7], 0.99)).toBe(7);
  });

  it('rounds to significant digits', () => {
    expect([12_345.6, 0.012_345_6, 0, 999_999].map((value) => significant(value))).toEqual([
      12_350, 0.012_35, 0, 1_000_000,
    ]);
    expect(mean([1, 2, 6])).toBe(3);
  });
});

describe('the plan', () => {
  it('reads letters and names', () => {
    expect(parseShares('a, e,latency')).toEqual(['classicLoop', 'product', 'productManyUsers', 'latency']);
    expect(parseShares('productHot')).toEqual(['productHot']);
    expect(parseShares('a,h')).toBeUndefined();
  });

  it('leaves the settler alone and the latency out of a quick run', () => {
    const flags = { users: 1_000, manyUsers: 100_000 };
    const [full, quick] = [planOf(flags), planOf({ ...flags, quick: true })];
    expect(full.shares).toHaveLength(9);
    expect(full.rounds).toBeGreaterThanOrEqual(5);
    expect(full.shares.filter((share) => !quick.shares.includes(share))).toEqual(['settler', 'latency']);
    expect(quick.rounds).toBeLessThan(full.rounds);
  });

  it('begins each round with another contender', () => {
    const rounds = [0, 1, 2, 3].map((by) => rotated(['a', 'b', 'c'], by).join(''));
    expect(rounds).toEqual(['abc', 'bca', 'cab', 'abc']);
    expect(rotated([], 3)).toEqual([]);
  });
});

describe('the use of processes', () => {
  it('knows CPU time and memory of a process, and nothing of one that is not there', () => {
    expect(cpuSeconds(process.pid)).toBeGreaterThan(0);
    expect(residentMiB(process.pid)).toBeGreaterThan(10);
    expect([cpuSeconds(2 ** 22 + 1), residentMiB(2 ** 22 + 1)]).toEqual([undefined, undefined]);
  });

  it('counts what was used while it looked', () => {
    const meter = new UsageMeter({ test: process.pid });
    for (const startedMs = performance.now(); performance.now() - startedMs < 60;);
    const used = meter.end();
    expect(used.cpuSeconds['test']).toBeGreaterThan(0.02);
    expect(used.residentMiBMax['test']).toBeGreaterThan(10);
    expect(meter.memory('test').length).toBeGreaterThanOrEqual(2);
  });
});

/** A measured round. */
function result(name: ContenderName, round: number, tradesPerSecond: number): RoundResult {
  const isProduct = name.startsWith('product');
  return {
    name,
    round,
    trades: 10_000,
    payloadBytes: 4_000_000,
    seconds: 10_000 / tradesPerSecond,
    tradesPerSecond,
    cpuSeconds: { cassandra: 1, ...(isProduct && { worker: 2 }) },
    residentMiBMax: { cassandra: 900.4, ...(isProduct && { worker: 200 + round, ingest: 150 }) },
    ...(isProduct && { history: { events: 300, bytes: 6_000_000, runsEnded: 1 } }),
  };
}

/** The report of rounds, with contenders that nothing is asked of but what they are called. */
function report(
  results: readonly RoundResult[],
  verifications: Partial<Record<ContenderName, Verification>> = {},
): BenchReport {
  const names = [...new Set(results.map(({ name }) => name))];
  const sound: Verification = { ok: true, how: 'audit', detail: 'clean' };
  return reportOf({
    origin: {
      commit: 'abc1234',
      date: '2026-01-02T03:04:05.000Z',
      machine: { cores: 2, model: 'A & B <C>', memoryGiB: 24, system: 'Linux 6', node: 'v20' },
    },
    plan: { mode: 'full', rounds: 3, users: 1_000, manyUsers: 100_000 },
    seconds: 99.6,
    contenders: names.map((name) => ({ name }) as unknown as Contender),
    outcome: {
      results,
      failures: new Map(),
      verifications: new Map(names.map((name) => [name, verifications[name] ?? sound])),
    },
  });
}

const RESULTS = [
  ...[1, 2, 3].map((round) => result('classicLoop', round, [400, 200, 500][round - 1]!)),
  ...[1, 2, 3].map((round) => result('product', round, [8_000, 6_000, 9_000][round - 1]!)),
  ...[1, 2, 3].map((round) => result('productHot', round, [8_800, 9_000, 9_000][round - 1]!)),
];

describe('the report', () => {
  it('has medians with their spread, and the cost of a million trades', () => {
    const { contenders, memoryMiB, history, ok, seconds } = report(RESULTS);
    expect(contenders.product).toMatchObject({
      tradesPerSecond: 8_000,
      min: 6_000,
      max: 9_000,
      trades: 30_000,
    });
    expect(contenders.product!.cpuSecondsPerMillionTrades).toEqual({ cassandra: 100, worker: 200 });
    expect(memoryMiB).toEqual({ worker: 203, ingest: 150 });
    expect(history).toMatchObject({
      eventsPerTrade: 0.03,
      bytesPerEventByte: 1.5,
      payloadBytesPerTrade: 400,
      runsEnded: 3,
    });
    expect([ok, seconds]).toEqual([true, 100]);
  });

  it('forms ratios within rounds, and only where both were measured', () => {
    expect(ratiosWithinRounds(RESULTS, 'product', 'classicLoop')).toEqual([20, 30, 18]);
    const { ratios } = report(RESULTS);
    expect(ratios).toMatchObject({ productToClassic: 20, hotToUniform: 1.1 });
    expect(ratios).not.toHaveProperty('productToCeiling');
    expect(ratiosWithinRounds(RESULTS.slice(1), 'product', 'classicLoop')).toEqual([30, 18]);
  });

  it('gives no figure to a contender that was not verified, nor to a ratio that needs it', () => {
    const wrong: Verification = { ok: false, how: 'count', detail: '1 trade is missing' };
    const { contenders, ratios, ok } = report(RESULTS, { classicLoop: wrong });
    expect(contenders.classicLoop).toMatchObject({ tradesPerSecond: null, verification: wrong });
    expect(contenders.product!.tradesPerSecond).toBe(8_000);
    expect(ratios).toMatchObject({ productToClassic: null, hotToUniform: 1.1 });
    expect(ok).toBe(false);
  });

  it('is a table for people, with what could not be verified', () => {
    const text = describeReport(
      report(RESULTS, { productHot: { ok: false, how: 'audit', detail: '3 findings' } }),
    );
    expect(text).toContain('settled, 1 000 users');
    expect(text).toContain('productToClassic           20 (18 … 30)');
    expect(text).toMatch(/1 account in every trade +– +NO: 3 findings/);
    expect(text).not.toMatch(/NaN|undefined/);
  });

  it('is a picture with a bar for each that was verified', () => {
    const wrong: Verification = { ok: false, how: 'count', detail: '' };
    const svg = chartOf(report(RESULTS, { productHot: wrong }));
    expect(svg.match(/<rect /g)).toHaveLength(2);
    expect(svg).toContain('>8 000<');
    expect(svg).toContain('A &amp; B &lt;C&gt;');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    expect(svg.match(/<\w+(?:"[^"]*"|[^>"/])*>/g)!.length).toBe(svg.match(/<\/\w+>/g)!.length);
    expect(chartOf(report([]))).toContain('</svg>');
  });
});

describe('the soak', () => {
  const memory = Array.from({ length: 100 }, (_, index) => ({ atMs: index * 10, mib: 200 + index }));

  it('cuts a run into tenths of its events, with memory of each', () => {
    // The first half of 1 000 events takes 250 ms, the second 750.
    const reached = [
      { atMs: 0, sequence: 80 },
      { atMs: 250, sequence: 580 },
      { atMs: 1_000, sequence: 1_080 },
    ];
    const tenths = tenthsOf(reached, { first: 80, events: 1_000 }, { worker: memory, ingest: memory });
    expect(tenths.map(({ tradesPerSecond }) => Math.round(tradesPerSecond))).toEqual([
      ...Array.from({ length: 5 }, () => 2_000),
      ...Array.from({ length: 5 }, () => 666.7).map(Math.round),
    ]);
    expect(tenths[0]).toMatchObject({ workerMiB: 202.5, workerMiBMax: 205 });
    expect(tenths[9]!.ingestMiB).toBeGreaterThan(285);
  });

  it('compares the last tenth with the second and third', () => {
    const tenth = (tradesPerSecond: number, workerMiB: number) => ({
      tradesPerSecond,
      workerMiB,
      ingestMiB: 100,
      workerMiBMax: 0,
      ingestMiBMax: 0,
    });
    const tenths = [tenth(1, 1), tenth(900, 180), tenth(1_100, 220), tenth(1, 1), tenth(950, 210)];
    expect(ratiosOf(tenths)).toEqual({ lastToEarly: 0.95, workerGrowth: 0.05, ingestGrowth: 0 });
  });
});
