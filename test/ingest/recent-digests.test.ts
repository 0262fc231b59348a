/** What was received last is known by memory, however many there may be in flight; nothing is ever another's. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecentDigests } from '../../src/ingest/recent-digests.ts';
import { INT64_MAX } from '../../src/domain/integers.ts';
import { sha256 } from '../../src/domain/sha256.ts';

const KEPT_MIN = 50_000;
const digestOf = (sequence: bigint): Buffer => sha256(Buffer.from(`${sequence}`));

describe('recent digests', () => {
  test('of an ascending row, with gaps or without, are each the one that was set, or unknown', () => {
    const steps = fc.array(fc.integer({ min: 1, max: KEPT_MIN + 2 }), { minLength: 1, maxLength: 50 });
    const starts = fc.bigInt({ min: 0n, max: INT64_MAX - 51n * BigInt(KEPT_MIN + 2) });
    fc.assert(
      fc.property(starts, steps, (start, gaps) => {
        const recent = new RecentDigests();
        const row = gaps.reduce((before, gap) => [...before, before.at(-1)! + BigInt(gap)], [start]);
        for (const sequence of row) recent.set(sequence, digestOf(sequence));
        for (const sequence of row) {
          const kept = recent.get(sequence);
          if (row.at(-1)! - sequence < BigInt(KEPT_MIN)) expect(kept).toEqual(digestOf(sequence));
          else if (kept) expect(kept).toEqual(digestOf(sequence));
          if (!row.includes(sequence + 1n)) expect(recent.get(sequence + 1n)).toBeUndefined();
        }
      }),
      { numRuns: 200 },
    );
  });

  test('are copies: what they came from may be written to', () => {
    const recent = new RecentDigests();
    const digest = digestOf(7n);
    recent.set(7n, digest);
    digest.fill(0);
    expect(recent.get(7n)).toEqual(digestOf(7n));
  });

  test('are as many as may be in flight', () => {
    const recent = new RecentDigests(KEPT_MIN + 1);
    for (const sequence of [1n, BigInt(KEPT_MIN) + 1n]) recent.set(sequence, digestOf(sequence));
    expect(recent.get(1n)).toEqual(digestOf(1n));
    recent.set(BigInt(KEPT_MIN) + 2n, digestOf(2n));
    expect(recent.get(1n)).toBeUndefined();
  });
});
