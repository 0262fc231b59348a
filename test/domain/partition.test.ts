/**
 * The partition of a user, against vectors computed apart from this code (Python's integers), against the formula
 * in other arithmetic, and for an even spread of the ids that engines really give: consecutive ones.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LedgerEvent, Trade } from '../../src/domain/event.ts';
import { PARTITIONS_MAX, partitionOf, partitionOfEvent } from '../../src/domain/partition.ts';

interface Vector {
  readonly userId: string;
  /** The 64 bits after the mix, for those who implement it elsewhere. */
  readonly mixed: string;
  readonly partitions: Readonly<Record<string, number>>;
}

const vectors = JSON.parse(
  readFileSync(new URL('../data/partition-vectors.json', import.meta.url), 'utf8'),
) as Vector[];

/** The documented formula on two 32-bit halves in doubles: other arithmetic than the code's, so that neither hides a slip. */
function partitionByHalves(userId: bigint, count: number): number {
  let high = Number((userId >> 32n) & 0xffff_ffffn) | 0;
  let low = Number(userId & 0xffff_ffffn) | 0;
  const multiply = (otherHigh: number, otherLow: number): void => {
    high = (multiplyHigh(low, otherLow) + Math.imul(low, otherHigh) + Math.imul(high, otherLow)) | 0;
    low = Math.imul(low, otherLow);
  };
  low ^= (low >>> 30) | (high << 2);
  high ^= high >>> 30;
  multiply(0xbf58476d, 0x1ce4e5b9);
  low ^= (low >>> 27) | (high << 5);
  high ^= high >>> 27;
  multiply(0x94d049bb, 0x133111eb);
  low ^= (low >>> 31) | (high << 1);
  high ^= high >>> 31;
  return (((high >>> 0) % count) * 2 ** 32 + (low >>> 0)) % count;
}

/** Bits 32 … 63 of the product of two unsigned 32-bit integers, from 16-bit halves. */
function multiplyHigh(left: number, right: number): number {
  const [leftLow, leftHigh, rightLow, rightHigh] = [left & 0xffff, left >>> 16, right & 0xffff, right >>> 16];
  const middle = leftHigh * rightLow + ((leftLow * rightLow) >>> 16);
  const carried = leftLow * rightHigh + (middle % 65_536);
  return leftHigh * rightHigh + Math.floor(middle / 65_536) + Math.floor(carried / 65_536);
}

describe('the partition of a user', () => {
  it('agrees with the vectors', () => {
    expect(vectors).toHaveLength(100);
    for (const { userId, partitions } of vectors) {
      for (const [count, partition] of Object.entries(partitions)) {
        expect(partitionOf(BigInt(userId), Number(count)), `${userId} of ${count}`).toBe(partition);
      }
    }
  });

  it('is the same by other arithmetic, for any user id and any number of partitions', () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, (1n << 64n) - 1n),
        fc.integer({ min: 1, max: PARTITIONS_MAX }),
        (userId, count) => {
          expect(partitionOf(userId, count)).toBe(partitionByHalves(userId, count));
        },
      ),
      { numRuns: 20_000 },
    );
  });

  it.each([2, 7, 16, 64])('is spread evenly over %i partitions for consecutive user ids', (count) => {
    const users = 64_000;
    for (const first of [0n, 1_001n, 1n << 53n]) {
      const found = Array.from({ length: count }, () => 0);
      for (let i = 0; i < users; i++) {
        const partition = partitionOf(first + BigInt(i), count);
        found[partition] = (found[partition] ?? Number.NaN) + 1;
      }
      const expected = users / count;
      const chiSquare = found.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
      // mean count − 1, deviation √(2(count − 1)): six deviations above the mean do not happen by chance
      expect(chiSquare).toBeLessThan(count - 1 + 6 * Math.sqrt(2 * (count - 1)));
    }
  });

  it.each([0, -1, 1.5, Number.NaN, PARTITIONS_MAX + 1])('refuses %d partitions', (count) => {
    expect(() => partitionOf(1n, count)).toThrow(RangeError);
  });
});

describe('the partition of an event', () => {
  it('is that of its user, or of a trade’s buyer', () => {
    const deposit = { kind: 'deposit', userId: 1001n } as LedgerEvent;
    const trade = { kind: 'trade', buyerUserId: 1002n, sellerUserId: 1001n } as Trade;
    expect(partitionOfEvent(deposit, 1_000)).toBe(partitionOf(1001n, 1_000));
    expect(partitionOfEvent(trade, 1_000)).toBe(partitionOf(1002n, 1_000));
    expect(partitionOf(1001n, 1_000)).not.toBe(partitionOf(1002n, 1_000));
  });
});
