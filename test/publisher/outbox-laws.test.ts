/**
 * The laws of the outbox, held against a model on a real database in a real folder: whatever is appended, settled, trimmed
 * and lost with a crash in between, what is read again is exactly what was appended and not trimmed; nothing is trimmed
 * that is not settled, nor before its time, nor the event at the watermark. A crash is a copy of the folder as the disk
 * has it at that moment, with appends under way.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Outbox } from '../../src/publisher/outbox.ts';
import { GRACE_MS, OutboxRun } from './outbox-run.ts';

let folder = '';
let runs = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'settled-outbox-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const datas = fc.array(
  fc.nat({ max: 400 }).map((length) => Buffer.alloc(length, length % 251)),
  { minLength: 1, maxLength: 8 },
);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('append' as const), datas }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('settle' as const), ahead: fc.integer({ min: -2, max: 12 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat({ max: 2 * GRACE_MS }) }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'trim' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('trimOldest' as const), events: fc.nat({ max: 9 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('see' as const), lease: fc.bigInt(1n, 9n) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('crash' as const), datas: fc.oneof(fc.constant([]), datas) }),
  },
);

describe('an outbox', () => {
  test('gives back exactly what was appended and not trimmed, through any steps and crashes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        runs += 1;
        const run = new OutboxRun(join(folder, `run-${runs}`));
        await run.open();
        const { model } = run;
        try {
          for (const one of steps) {
            const { outbox } = run;
            const before = outbox.oldest;
            if (one.kind === 'append') {
              expect(await outbox.append(one.datas)).toBe(BigInt(model.datas.length + one.datas.length));
              model.datas.push(...one.datas);
            } else if (one.kind === 'settle') {
              const upTo = Math.max(Number(outbox.settledUpTo) + one.ahead, 0);
              expect(await outbox.settle(BigInt(upTo))).toBe(upTo <= model.datas.length);
              if (upTo <= model.datas.length) {
                for (let sequence = 1; sequence <= upTo; sequence += 1)
                  if (!model.settledAtMs.has(sequence)) model.settledAtMs.set(sequence, run.nowMs);
                model.settledUpTo = Math.max(model.settledUpTo, upTo);
              }
            } else if (one.kind === 'pass') run.nowMs += one.ms;
            else if (one.kind === 'trim') {
              const trimmed = await outbox.trimExpired();
              expect(trimmed).toBe(Number(outbox.oldest - before));
              // Not a moment too early.
              for (let sequence = Number(before); sequence < Number(outbox.oldest); sequence += 1)
                expect(run.nowMs - model.settledAtMs.get(sequence)!).toBeGreaterThanOrEqual(GRACE_MS);
            } else if (one.kind === 'trimOldest') {
              const trimmed = await outbox.trimOldest(one.events);
              expect(trimmed).toBeLessThanOrEqual(one.events);
              for (let sequence = Number(before); sequence < Number(outbox.oldest); sequence += 1)
                expect(model.settledAtMs.has(sequence)).toBe(true);
            } else if (one.kind === 'see') {
              await outbox.see(one.lease);
              if (one.lease > model.lease) model.lease = one.lease;
            } else await run.crash(one.datas);
            await run.holds();
          }
        } finally {
          await run.outbox.close();
        }
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  test('trims what has been settled for long enough, but for the event at the watermark', async () => {
    const run = new OutboxRun(join(folder, 'long'));
    await run.open();
    await run.outbox.append(Array.from({ length: 10 }, () => Buffer.from('x')));
    await run.outbox.settle(4n);
    run.nowMs += GRACE_MS / 2;
    await run.outbox.settle(10n);
    run.nowMs += GRACE_MS / 2;
    expect(await run.outbox.trimExpired()).toBe(4);
    expect(run.outbox.oldest).toBe(5n);
    run.nowMs += GRACE_MS / 2;
    expect(await run.outbox.trimExpired()).toBe(5);
    expect(run.outbox.oldest).toBe(10n);
    run.nowMs += 10 * GRACE_MS;
    expect(await run.outbox.trimExpired()).toBe(0);
    expect((await run.outbox.read(1n, 9)).map(({ sequence }) => sequence)).toEqual([10n]);
    await run.outbox.close();
  });

  test('belongs to one stream and one process', async () => {
    const place = join(folder, 'owned');
    const options = { folder: place, stream: 'mine', graceMs: 0 };
    const outbox = await Outbox.open(options);
    await expect(Outbox.open(options)).rejects.toThrow('another process has it open');
    await outbox.close();
    await expect(Outbox.open({ ...options, stream: 'yours' })).rejects.toThrow(
      "it is stream mine's, not yours's",
    );
    const again = await Outbox.open({ ...options, firstSequence: 7n });
    expect([again.last, again.oldest]).toEqual([6n, 7n]);
    await again.close();
  });
});
