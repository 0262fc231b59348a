/** The watermark: contiguous, persisted before it shows (I7). */
import fc from 'fast-check';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Watermark } from '../../src/ingest/watermark.ts';

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 1) {
    if (waited > 2_000) throw new Error('waited in vain');
    await sleep(1);
  }
}

describe('the watermark', () => {
  test('moves over what is contiguous alone, in whatever order events settle', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }).chain((count) =>
          fc.shuffledSubarray(
            Array.from({ length: count }, (_, index) => BigInt(index + 1)),
            { minLength: count },
          ),
        ),
        fc.bigInt(0n, 2n ** 62n),
        async (order, start) => {
          const written: bigint[] = [];
          const watermark = new Watermark(
            start,
            (reached) => {
              written.push(reached);
              return Promise.resolve();
            },
            0,
          );
          const settled = new Set<bigint>();
          for (const offset of order) {
            settled.add(offset);
            watermark.settled(start + offset);
            watermark.settled(start + offset); // told twice
            await Promise.resolve();
            for (const reached of written)
              for (let one = 1n; one <= reached - start; one += 1n) expect(settled.has(one)).toBe(true);
          }
          await until(() => watermark.persisted === start + BigInt(order.length));
          expect(written).toEqual([...written].sort((a, b) => Number(a - b)));
        },
      ),
      { numRuns: 50 },
    );
  });

  test('shows nothing before it is persisted, and tells who waits for it only then', async () => {
    let acknowledge: (() => void) | undefined;
    const watermark = new Watermark(0n, () => new Promise((resolve) => (acknowledge = resolve)), 0);
    let advanced = false;
    void watermark.advance().then(() => (advanced = true));
    watermark.settled(1n);
    await sleep(10);
    expect([watermark.persisted, advanced]).toEqual([0n, false]);
    acknowledge?.();
    await sleep(0);
    expect([watermark.persisted, advanced]).toEqual([1n, true]);
  });

  test('goes on after one that another ingest has persisted, with what is settled behind that', async () => {
    const written: bigint[] = [];
    const watermark = new Watermark(
      5n,
      (reached) => {
        written.push(reached);
        return Promise.resolve();
      },
      0,
    );
    for (const sequence of [8n, 12n, 13n]) watermark.settled(sequence);
    watermark.continueAfter(11n);
    await until(() => watermark.persisted === 13n);
    watermark.continueAfter(9n);
    expect(watermark.persisted).toBe(13n);
    watermark.settled(14n);
    await until(() => watermark.persisted === 14n);
    expect(written).toEqual([12n, 13n, 14n]);
  });

  test('persists again what failed, until it succeeds', async () => {
    let failures = 3;
    const watermark = new Watermark(
      0n,
      () => (failures-- > 0 ? Promise.reject(new Error('away')) : Promise.resolve()),
      1,
    );
    watermark.settled(1n);
    watermark.settled(2n);
    await until(() => watermark.persisted === 2n);
    expect(failures).toBe(-1);
  });

  test('gives up after it was closed, so that a process can end while the database is away', async () => {
    let calls = 0;
    const watermark = new Watermark(
      0n,
      () => {
        calls += 1;
        return Promise.reject(new Error('away'));
      },
      1,
    );
    watermark.settled(1n);
    await until(() => calls >= 2);
    watermark.close();
    await sleep(30);
    const callsAfter = calls;
    await sleep(100);
    expect(calls).toBe(callsAfter);
    expect(watermark.persisted).toBe(0n);
  });
});
