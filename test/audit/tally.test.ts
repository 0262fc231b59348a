/**
 * Tallies and token ranges, the two on which a reading in bounded memory rests: sums that come out even only if both
 * sides hold the same, and ranges that cover the ring once.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenRanges } from '../../src/audit/ring.ts';
import { accountSlot, sequenceSlot, Tally, TALLY_SLOTS } from '../../src/audit/tally.ts';

const fingerprint = (value: number): Buffer => createHash('sha256').update(`${value}`).digest();
const slot = (value: number): number => accountSlot(BigInt(value), 1);

describe('a tally', () => {
  it('is even where both sides hold the same, in whatever order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(500)), fc.infiniteStream(fc.nat()), (values, keys) => {
        const tally = new Tally();
        const shuffled = values
          .map((value) => ({ value, key: keys.next().value as number }))
          .sort((a, b) => a.key - b.key);
        for (const value of values) tally.add(slot(value), fingerprint(value));
        for (const { value } of shuffled) tally.subtract(slot(value), fingerprint(value));
        expect(tally.uneven()).toEqual([]);
      }),
    );
  });

  it('names the slot of whatever one side holds alone, or holds twice', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(500), { minLength: 1 }), fc.boolean(), (values, twice) => {
        const tally = new Tally();
        const [odd = 0] = values;
        for (const value of values) {
          tally.add(slot(value), fingerprint(value));
          if (value !== odd || twice) tally.subtract(slot(value), fingerprint(value));
        }
        if (twice) tally.subtract(slot(odd), fingerprint(odd));
        expect(tally.uneven().map((one) => one.slot)).toEqual([slot(odd)]);
      }),
    );
  });

  it('spreads accounts and sequences over all slots', () => {
    const counts = new Map<number, number>();
    for (let value = 0n; value < 40_000n; value += 1n)
      for (const at of [accountSlot(value, 2, value % 3n), sequenceSlot('main', value)])
        counts.set(at, (counts.get(at) ?? 0) + 1);
    expect(counts.size).toBeGreaterThan(TALLY_SLOTS * 0.99);
    expect(Math.max(...counts.values())).toBeLessThan(80);
    expect(Math.max(...counts.keys())).toBeLessThan(TALLY_SLOTS);
  });
});

describe('token ranges', () => {
  it.each([1, 2, 7, 32, 1_000])('cover the whole ring once when cut into %i', (count) => {
    const ranges = tokenRanges(count);
    expect(ranges).toHaveLength(count);
    expect(ranges[0]?.[0]).toBe(-(2n ** 63n));
    expect(ranges.at(-1)?.[1]).toBe(2n ** 63n - 1n);
    for (const [at, [above]] of ranges.entries()) if (at > 0) expect(above).toBe(ranges[at - 1]?.[1]);
  });
});
