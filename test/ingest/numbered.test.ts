/** The sequence check of a numbered stream: by memory, by the stream log, and by the lines that a former ingest left. */
import { describe, expect, test } from 'vitest';
import { contentDigest } from '../../src/domain/digest.ts';
import type { SettlementEvent } from '../../src/domain/event.ts';
import { NumberedSequence, type Admission } from '../../src/ingest/numbered.ts';
import type { StreamLine } from '../../src/ledger/stream-log.ts';
import { ledger, lineOf, stopOf } from './events.ts';

interface Given {
  watermark?: bigint;
  above?: readonly SettlementEvent[];
  log?: readonly SettlementEvent[];
}

function sequenceFrom({ watermark = 0n, above = [], log = [] }: Given = {}) {
  const reads: bigint[] = [];
  const lines = new Map<bigint, StreamLine>(log.map((event) => [event.sequence, lineOf(event)]));
  const sequence = new NumberedSequence({
    watermark,
    linesAbove: new Map(above.map((event) => [event.sequence, lineOf(event)])),
    readLine: (number) => {
      reads.push(number);
      return Promise.resolve(lines.get(number));
    },
  });
  const admit = (event: SettlementEvent): Promise<Admission> => sequence.admit(event, contentDigest(event));
  const take = async (event: SettlementEvent): Promise<Admission['kind']> => {
    const admission = await admit(event);
    if (admission.kind === 'next') sequence.accepted(admission.event, contentDigest(event));
    return admission.kind;
  };
  return { sequence, admit, take, reads };
}

describe('a numbered sequence', () => {
  test('takes events in order, from the one after the watermark', async () => {
    const { sequence, take } = sequenceFrom({ watermark: 41n });
    expect(await take(ledger(42))).toBe('next');
    expect(await take(ledger(43))).toBe('next');
    expect(sequence.received).toBe(43n);
  });

  test('moves on only when an event is accepted, not when it is admitted', async () => {
    const { sequence, admit } = sequenceFrom();
    await admit(ledger(1));
    expect(sequence.received).toBe(0n);
    expect((await admit(ledger(1))).kind).toBe('next');
  });

  test('knows what it received a moment ago without asking the database', async () => {
    const { take, reads } = sequenceFrom();
    await take(ledger(1));
    await take(ledger(2));
    expect(await take(ledger(1))).toBe('duplicate');
    expect(reads).toEqual([]);
  });

  test('compares what it received long ago with the stream log', async () => {
    const { sequence, take, reads } = sequenceFrom({ watermark: 5n, log: [ledger(3)] });
    expect(await take(ledger(3))).toBe('duplicate');
    expect(reads).toEqual([3n]);
    expect(sequence.received).toBe(5n);
  });

  test('takes a resend for the same where only the stamp of its time differs', async () => {
    const { take } = sequenceFrom({ watermark: 5n, log: [ledger(3, { stamped: true, timeMs: 1 })] });
    expect(await take(ledger(3, { stamped: true, timeMs: 2 }))).toBe('duplicate');
  });

  test('stops by name where an event below the watermark says something else', async () => {
    const { admit } = sequenceFrom({ watermark: 5n, log: [ledger(3)] });
    expect(await stopOf(() => admit(ledger(3, { amount: 11n })))).toMatchObject({
      reason: 'other-content',
      sequence: '3',
      event: 'deposit (sequence 3)',
      expected: lineOf(ledger(3)).digest.toString('hex'),
    });
  });

  test('stops by name where an event above the watermark differs from the line that a former ingest wrote', async () => {
    const { take, admit } = sequenceFrom({ watermark: 5n, above: [ledger(6), ledger(7)] });
    expect(await take(ledger(6))).toBe('next');
    expect(await stopOf(() => admit(ledger(7, { amount: 11n })))).toMatchObject({
      reason: 'other-content',
      sequence: '7',
    });
  });

  test('stops where a number at or below the watermark has no line: the log is damaged', async () => {
    const { admit } = sequenceFrom({ watermark: 5n });
    const stop = await stopOf(() => admit(ledger(4)));
    expect(stop).toMatchObject({ reason: 'other-content', sequence: '4' });
    expect(stop.message).toContain('log is damaged');
  });

  test('tells what follows a hole apart, notes nothing of it, and goes on when the hole is filled', async () => {
    const { take, admit, sequence } = sequenceFrom();
    await take(ledger(1));
    expect(await admit(ledger(5))).toEqual({ kind: 'ahead', expected: 2n });
    expect(await admit(ledger(3))).toEqual({ kind: 'ahead', expected: 2n });
    expect(sequence.received).toBe(1n);
    expect(await take(ledger(2))).toBe('next');
    expect(await take(ledger(3))).toBe('next');
  });

  test('goes on after a watermark that another ingest has moved, and never back', async () => {
    const { sequence, take } = sequenceFrom({ watermark: 5n, log: [ledger(7)] });
    sequence.continueAfter(8n);
    expect(await take(ledger(7))).toBe('duplicate');
    expect(await take(ledger(9))).toBe('next');
    sequence.continueAfter(8n);
    expect(sequence.received).toBe(9n);
  });

  test('remembers a bounded number of digests and asks the log about older ones', async () => {
    const { take, reads } = sequenceFrom({ log: [ledger(1), ledger(2)] });
    for (let sequence = 1; sequence <= 50_001; sequence += 1) await take(ledger(sequence));
    expect(await take(ledger(2))).toBe('duplicate');
    expect(reads).toEqual([]);
    expect(await take(ledger(1))).toBe('duplicate');
    expect(reads).toEqual([1n]);
  });
});
