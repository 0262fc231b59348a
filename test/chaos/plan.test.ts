/** What a plan promises, for any seed and number of faults. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LINKS } from './links.ts';
import { FAULT_NAMES, faultName, planOf as fullPlanOf, PROCESSES, type PlanOptions } from './plan.ts';

const planOf = (options: Omit<PlanOptions, 'eventsBetween'> & { readonly eventsBetween?: number }) =>
  fullPlanOf({ eventsBetween: 1_000, ...options });
const seeds = fc.integer({ min: 0, max: 2 ** 31 });

describe('a plan', () => {
  test('is the same for the same seed, and another for another', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 60 }), (seed, faults) => {
        expect(planOf({ seed, faults })).toEqual(planOf({ seed, faults }));
      }),
    );
    expect(planOf({ seed: 1, faults: 20 })).not.toEqual(planOf({ seed: 2, faults: 20 }));
  });

  test('has as many faults as asked for, at least half of them kills, each process as often as any other but for one', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 120 }), (seed, faults) => {
        const names = planOf({ seed, faults }).map(({ fault }) => faultName(fault));
        expect(names).toHaveLength(faults);
        const kills = PROCESSES.map((victim) => names.filter((name) => name === `kill-${victim}`).length);
        expect(kills.reduce((sum, one) => sum + one, 0)).toBeGreaterThanOrEqual(faults / 2);
        expect(Math.max(...kills) - Math.min(...kills)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('lets none to twice as many events as asked for settle between two faults, and sometimes hardly any', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 5_000 }), (seed, eventsBetween) => {
        const gaps = planOf({ seed, faults: 40, eventsBetween }).map(({ afterEvents }) => afterEvents);
        expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...gaps)).toBeLessThanOrEqual(2 * eventsBetween);
      }),
    );
    const gaps = planOf({ seed: 1, faults: 400, eventsBetween: 1_000 }).map(({ afterEvents }) => afterEvents);
    expect(gaps.reduce((sum, one) => sum + one, 0) / gaps.length).toBeCloseTo(1_000, -2);
    expect(Math.min(...gaps)).toBeLessThan(50);
    expect(Math.max(...gaps)).toBeGreaterThan(1_950);
  });

  test('has every kind on every link, once there is room for all', () => {
    const faults = Math.ceil(FAULT_NAMES.length / 0.45) + 1;
    const names = new Set(planOf({ seed: 5, faults }).map(({ fault }) => faultName(fault)));
    expect([...names].toSorted()).toEqual(FAULT_NAMES.toSorted());
    expect(names.size).toBe(2 * PROCESSES.length + 3 * LINKS.length + 1);
  });

  test('delays by 10 to 500 ms, and pauses for shorter and for longer than a lease', () => {
    const faults = planOf({ seed: 3, faults: 400 }).map(({ fault }) => fault);
    const pauses = faults.flatMap((fault) => (fault.kind === 'pause' ? [fault.forMs] : []));
    expect(Math.min(...pauses)).toBeLessThan(4_000);
    expect(Math.max(...pauses)).toBeGreaterThan(12_000);
    for (const fault of faults)
      if (fault.kind === 'delay') {
        expect(fault.msMin).toBeGreaterThanOrEqual(10);
        expect(fault.msMax).toBeLessThanOrEqual(500);
        expect(fault.msMax).toBeGreaterThanOrEqual(fault.msMin);
      }
  });

  test('draws from what is asked for alone, and refuses what there is not', () => {
    const only = ['kill-worker', 'cut-control'];
    const names = planOf({ seed: 1, faults: 20, only }).map(({ fault }) => faultName(fault));
    expect(new Set(names)).toEqual(new Set(only));
    expect(() => planOf({ seed: 1, faults: 1, only: ['kill-everything'] })).toThrow('kill-everything');
  });
});
