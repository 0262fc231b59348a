/** A lane: chunks in order and within bounds, remainders first, ids that never stand for other content. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rowOf, sequenceOfRow } from '../../src/domain/chunk.ts';
import { PartitionLane, type LaneEvent, type LaneOptions } from '../../src/ingest/partition-lane.ts';
import type { SentChunk } from '../../src/ingest/update-sender.ts';
import { chunkUpdateId, type Chunk, type Halt, type SettleResult } from '../../src/workflows/contract.ts';
import { ledger, trade } from './events.ts';

interface Sent {
  readonly chunk: Chunk;
  readonly answer: (result: Partial<SettleResult>) => void;
}

const HALT: Halt = {
  conflict: {
    sequence: '1',
    event: 'deposit',
    reason: 'gap',
    user: '1',
    asset: 2,
    expected: '3',
    found: '2',
  },
  since: '2026-01-01T00:00:00.000Z',
};

function event(sequence: number): LaneEvent {
  const isTrade = sequence % 3 === 0;
  const one = isTrade ? trade(sequence) : ledger(sequence);
  return { sequence: BigInt(sequence), isTrade, row: rowOf({ event: one, predecessors: [] }) };
}

function sequencesOf(chunk: Chunk): number[] {
  return [...chunk.trades.rows, ...chunk.ledgerEvents.rows]
    .map((row) => Number(sequenceOfRow(row)))
    .sort((a, b) => a - b);
}

function laneUnderTest(more: Partial<LaneOptions> = {}) {
  const sent: Sent[] = [];
  const settled: number[] = [];
  const halts: (string | undefined)[] = [];
  let resume: (() => void) | undefined;
  const lane = new PartitionLane({
    stream: 'main',
    partition: 3,
    lease: 5n,
    bounds: { eventsMax: 10, bytesMax: 100_000 },
    updatesMax: 1,
    send: (chunk) =>
      new Promise<SentChunk>((resolve) => {
        sent.push({
          chunk,
          answer: (result) =>
            resolve({
              kind: 'result',
              result: { outcome: 'settled', settled: 0, remaining: [], waiting: [], attempts: 1, ...result },
            }),
        });
      }),
    settled: (sequences) => settled.push(...sequences.map(Number)),
    halted: (halt) => halts.push(halt?.conflict.reason),
    unavailable: () => undefined,
    untilResumed: () => new Promise((resolve) => (resume = resolve)),
    pause: () => Promise.resolve(),
    free: () => lane.cut(),
    ...more,
  });
  const push = (...sequences: number[]): void => {
    for (const sequence of sequences) lane.push(event(sequence));
    void lane.cut();
  };
  // What an answer leads to takes a turn of the loop or two, however long a turn is on a busy machine.
  const turn = async (): Promise<void> => {
    for (let turns = 0; turns < 10; turns += 1) await new Promise(setImmediate);
  };
  return { lane, sent, settled, halts, push, turn, resume: () => resume?.() };
}

describe('a lane', () => {
  test('sends a lone event at once, and what came in one turn together', async () => {
    const { sent, push, turn } = laneUnderTest();
    push(4);
    await turn();
    expect(sent.map(({ chunk }) => sequencesOf(chunk))).toEqual([[4]]);
    expect(sent[0]?.chunk).toMatchObject({
      stream: 'main',
      partition: 3,
      lease: '5',
      first: '4',
      last: '4',
      try: 0,
    });
    push(7, 8, 9);
    await turn();
    expect(sent).toHaveLength(1);
    sent[0]?.answer({});
    await turn();
    expect(sequencesOf(sent[1]!.chunk)).toEqual([7, 8, 9]);
  });

  test('bounds its chunks in events', async () => {
    const { sent, push, turn } = laneUnderTest({ bounds: { eventsMax: 4, bytesMax: 100_000 } });
    push(1, 2, 3, 4, 5, 6, 7, 8, 9);
    for (let one = 0; one < 3; one += 1) {
      await turn();
      sent[one]?.answer({});
    }
    expect(sent.map(({ chunk }) => sequencesOf(chunk))).toEqual([[1, 2, 3, 4], [5, 6, 7, 8], [9]]);
  });

  test('bounds its chunks in bytes, and sends an event that is larger than the bound alone', async () => {
    const rowBytes = event(1).row.length + 4;
    const { sent, push, turn } = laneUnderTest({ bounds: { eventsMax: 100, bytesMax: 2 * rowBytes } });
    push(1, 2, 4, 5, 7);
    for (let one = 0; one < 3; one += 1) {
      await turn();
      sent[one]?.answer({});
    }
    expect(sent.map(({ chunk }) => sequencesOf(chunk))).toEqual([[1, 2], [4, 5], [7]]);
    const tiny = laneUnderTest({ bounds: { eventsMax: 100, bytesMax: 1 } });
    tiny.push(1, 2);
    await turn();
    expect(sequencesOf(tiny.sent[0]!.chunk)).toEqual([1]);
  });

  test('has no more Updates under way than it may', async () => {
    const { sent, push, turn } = laneUnderTest({
      updatesMax: 3,
      bounds: { eventsMax: 1, bytesMax: 100_000 },
    });
    push(1, 2, 3, 4, 5);
    await turn();
    expect(sent.map(({ chunk }) => chunk.first)).toEqual(['1', '2', '3']);
    sent[1]?.answer({});
    await turn();
    expect(sent.map(({ chunk }) => chunk.first)).toEqual(['1', '2', '3', '4']);
  });

  test('sends what an Update left first, under a try number that is one higher', async () => {
    const { sent, settled, push, turn } = laneUnderTest();
    push(1, 2, 3);
    await turn();
    push(4);
    sent[0]?.answer({ outcome: 'behind', remaining: ['2', '3'] });
    await turn();
    expect(settled).toEqual([1]);
    expect(sequencesOf(sent[1]!.chunk)[0]).toBe(2);
    expect(sent[1]?.chunk.try).toBe(1);
    sent[1]?.answer({});
    await turn();
    expect(sent[2]?.chunk).toMatchObject({ first: '4', try: 0 });
  });

  test('settles each event once, in whatever order Updates end, and never uses an id for other content', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 4 }),
        fc.infiniteStream(fc.nat()),
        async (count, updatesMax, picks) => {
          const { lane, sent, settled, push, turn } = laneUnderTest({
            updatesMax,
            bounds: { eventsMax: 7, bytesMax: 100_000 },
          });
          const pick = (below: number): number => (picks.next().value ?? 0) % below;
          const contents = new Map<string, string>();
          push(...Array.from({ length: count }, (_, index) => index + 1));
          let answered = 0;
          for (let round = 0; settled.length < count && round < 3_000; round += 1) {
            await turn();
            const open = sent.slice();
            sent.length = 0;
            expect(open.length).toBeLessThanOrEqual(updatesMax);
            const index = open.length > 0 ? pick(open.length) : -1;
            for (const [at, one] of open.entries()) {
              const id = chunkUpdateId(one.chunk);
              const content = JSON.stringify(one.chunk);
              expect(contents.get(id) ?? content).toBe(content);
              contents.set(id, content);
              if (at !== index) {
                sent.push(one);
                continue;
              }
              answered += 1;
              // In the end everything settles.
              const remaining =
                answered > 200
                  ? []
                  : sequencesOf(one.chunk)
                      .filter(() => pick(2) === 0)
                      .map(String);
              one.answer({ outcome: remaining.length > 0 ? 'behind' : 'settled', remaining });
            }
          }
          expect(settled.toSorted((a, b) => a - b)).toEqual(
            Array.from({ length: count }, (_, index) => index + 1),
          );
          expect(lane.length).toBe(0);
        },
      ),
      { numRuns: 30 },
    );
  }, 30_000);

  test('keeps everything back while its partition is halted, and goes on when it is resumed', async () => {
    const { lane, sent, settled, halts, push, turn, resume } = laneUnderTest({ updatesMax: 2 });
    push(1, 2);
    await turn();
    sent[0]?.answer({ outcome: 'halted', remaining: ['1', '2'], halt: HALT });
    await turn();
    push(3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14);
    await turn();
    expect(sent).toHaveLength(1);
    expect(halts).toEqual(['gap']);
    resume();
    await turn();
    expect(sent[1]?.chunk).toMatchObject({ first: '1', last: '2', try: 1 });
    // Nobody knows yet whether it goes on.
    expect(halts).toEqual(['gap']);
    sent[1]?.answer({});
    await turn();
    expect(halts).toEqual(['gap', undefined]);
    expect(settled).toEqual([1, 2]);
    expect(lane.length).toBe(12);
  });

  test('is not taken for resumed by an Update that was sent before the halt', async () => {
    const { sent, halts, push, turn } = laneUnderTest({
      updatesMax: 2,
      bounds: { eventsMax: 1, bytesMax: 100_000 },
    });
    push(1, 2);
    await turn();
    sent[0]?.answer({ outcome: 'halted', remaining: ['1'], halt: HALT });
    await turn();
    sent[1]?.answer({});
    await turn();
    expect(halts).toEqual(['gap']);
  });

  test('is still halted when it is closed while it waits for a person', async () => {
    const { lane, sent, halts, push, turn, resume } = laneUnderTest();
    push(1);
    await turn();
    sent[0]?.answer({ outcome: 'halted', remaining: ['1'], halt: HALT });
    await turn();
    lane.close();
    resume();
    await turn();
    expect(halts).toEqual(['gap']);
    expect(sent).toHaveLength(1);
  });

  test('says why its storage did not answer, and sends again', async () => {
    const problems: string[] = [];
    const { sent, push, turn } = laneUnderTest({ unavailable: (problem) => problems.push(problem) });
    push(1);
    await turn();
    sent[0]?.answer({ outcome: 'unavailable', remaining: ['1'], problem: 'no host available' });
    await turn();
    expect(problems).toEqual(['no host available']);
    expect(sent[1]?.chunk).toMatchObject({ first: '1', try: 1 });
  });

  test('sends nothing more once it is closed', async () => {
    const { lane, sent, push, turn } = laneUnderTest();
    lane.close();
    push(1);
    await turn();
    expect(sent).toHaveLength(0);
  });
});
