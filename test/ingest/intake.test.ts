/** The intake: lines before events, in order (I1b), whatever the order in which writes are acknowledged. */
import fc from 'fast-check';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Intake } from '../../src/ingest/intake.ts';
import { LineWriter } from '../../src/ingest/line-writer.ts';
import { StreamStopped } from '../../src/ingest/stop.ts';
import { sequenceBucket } from '../../src/ledger/event-rows.ts';
import { LINES_PER_WRITE_MAX, type StreamLine } from '../../src/ledger/stream-log.ts';
import { ledger, lineOf, stopOf } from './events.ts';

interface Pending {
  readonly lines: readonly StreamLine[];
  readonly acknowledge: () => void;
  readonly fail: () => void;
}

/** An intake whose writes a test acknowledges. */
function intakeUnderTest() {
  const pending: Pending[] = [];
  const acknowledged = new Set<bigint>();
  const released: bigint[] = [];
  const retries: string[] = [];
  const intake = new Intake<bigint>({
    write: (lines) =>
      new Promise((resolve, reject) => {
        pending.push({
          lines,
          acknowledge: () => {
            for (const { sequence } of lines) acknowledged.add(sequence);
            resolve();
          },
          fail: () => reject(new Error('timed out')),
        });
      }),
    release: (items) => {
      released.push(...items);
    },
    onRetry: (_error, first, last) => retries.push(`${first}-${last}`),
  });
  const add = (sequence: number): void => intake.add(lineOf(ledger(sequence)), BigInt(sequence));
  const turn = (): Promise<void> => sleep(1);
  return { intake, pending, acknowledged, released, retries, add, turn };
}

describe('the intake', () => {
  test('releases an event only when its line and all lower ones are acknowledged, strictly in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 8 }),
        fc.infiniteStream(fc.nat()),
        async (bursts, picks) => {
          const { pending, acknowledged, released, add, turn } = intakeUnderTest();
          let last = 0;
          for (const burst of bursts) {
            for (let one = 0; one < burst; one += 1) add((last += 1));
            await turn();
            const picked = pending.splice((picks.next().value ?? 0) % Math.max(pending.length, 1), 1);
            picked[0]?.acknowledge();
            await turn();
            const contiguous = released.at(-1) ?? 0n;
            for (let one = 1n; one <= contiguous; one += 1n) expect(acknowledged.has(one)).toBe(true);
          }
          for (;;) {
            const picked = pending.splice((picks.next().value ?? 0) % Math.max(pending.length, 1), 1);
            if (!picked[0]) break;
            picked[0].acknowledge();
            await turn();
          }
          expect(released).toEqual(Array.from({ length: last }, (_, index) => BigInt(index + 1)));
        },
      ),
      { numRuns: 25 },
    );
  });

  test('gathers lines that come together, within the bound of a write, and has few writes under way', async () => {
    const { pending, add, turn } = intakeUnderTest();
    for (let sequence = 1; sequence <= 20 * LINES_PER_WRITE_MAX; sequence += 1) add(sequence);
    await turn();
    expect(pending.map(({ lines }) => lines.length)).toEqual(Array(16).fill(LINES_PER_WRITE_MAX));
    pending[0]?.acknowledge();
    await turn();
    expect(pending).toHaveLength(17);
  });

  test('never mixes two buckets of the log in one write', async () => {
    const { pending, add, turn } = intakeUnderTest();
    for (let sequence = 9_990; sequence <= 10_010; sequence += 1) add(sequence);
    await turn();
    const buckets = pending.map(({ lines }) => [
      ...new Set(lines.map((line) => sequenceBucket(line.sequence))),
    ]);
    expect(buckets).toEqual([[0n], [1n]]);
    expect(pending.flatMap(({ lines }) => lines.map((line) => Number(line.sequence)))).toEqual(
      Array.from({ length: 21 }, (_, index) => 9_990 + index),
    );
  });

  test('writes again what failed, and holds back everything behind it', async () => {
    const { pending, released, retries, add, turn } = intakeUnderTest();
    add(1);
    await turn();
    add(2);
    await turn();
    pending[1]?.acknowledge();
    pending[0]?.fail();
    await turn();
    expect(released).toEqual([]);
    await sleep(150);
    expect(retries).toEqual(['1-1']);
    expect(pending[2]?.lines.map((line) => line.sequence)).toEqual([1n]);
    pending[2]?.acknowledge();
    await turn();
    expect(released).toEqual([1n, 2n]);
  });

  test('stops writing again once it is closed', async () => {
    const { intake, pending, add, turn } = intakeUnderTest();
    add(1);
    await turn();
    intake.close();
    pending[0]?.fail();
    await sleep(150);
    expect(pending).toHaveLength(1);
  });
});

describe('a writer of lines', () => {
  test('looks at the lease after the lines are acknowledged, never before', async () => {
    const steps: string[] = [];
    let written: (() => void) | undefined;
    const writer = new LineWriter({
      lease: 3n,
      writeLines: () => new Promise((resolve) => (written = resolve)),
      readLease: () => {
        steps.push('looked');
        return Promise.resolve(3n);
      },
    });
    const write = writer.write([lineOf(ledger(1))]).then(() => steps.push('done'));
    await sleep(5);
    expect(steps).toEqual([]);
    written?.();
    await write;
    expect(steps).toEqual(['looked', 'done']);
  });

  test('lets one look serve the writes acknowledged before it, and none acknowledged after it began', async () => {
    const looks: (() => void)[] = [];
    const writer = new LineWriter({
      lease: 3n,
      writeLines: () => Promise.resolve(),
      readLease: () => new Promise((resolve) => looks.push(() => resolve(3n))),
      lookMsMin: 0,
    });
    const done: number[] = [];
    const write = (one: number): void => void writer.write([lineOf(ledger(one))]).then(() => done.push(one));
    write(1);
    await sleep(1);
    write(2);
    write(3);
    await sleep(1);
    expect(looks).toHaveLength(1);
    looks[0]?.();
    await sleep(1);
    expect(done).toEqual([1]);
    expect(looks).toHaveLength(2);
    looks[1]?.();
    await sleep(1);
    expect(done).toEqual([1, 2, 3]);
  });

  test('stops the stream where another took the lease, and fails for now where the lease cannot be read', async () => {
    let lease: Promise<bigint> = Promise.reject(new Error('away'));
    lease.catch(() => undefined);
    const writer = new LineWriter({ lease: 3n, writeLines: () => Promise.resolve(), readLease: () => lease });
    const failure: unknown = await writer.write([lineOf(ledger(1))]).catch((error: unknown) => error);
    expect(failure).not.toBeInstanceOf(StreamStopped);
    lease = Promise.resolve(3n);
    await writer.write([lineOf(ledger(1))]);
    lease = Promise.resolve(4n);
    expect(await stopOf(() => writer.write([lineOf(ledger(2))]))).toMatchObject({
      reason: 'lease-lost',
      sequence: '2',
    });
  });
});
