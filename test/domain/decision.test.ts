/**
 * The decision against an independent restatement of the design's table, row by row, over every small observation.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide, type Observation, type ObservedTouch, type OwnRow } from '../../src/domain/decision.ts';

const OWN = 20n;
const OTHER = 7n;
const PREDECESSOR = 9n;
const LIMIT_MS = 30_000;
const READ_MS = 1_000_000;

/** What the table says, and for conflicts every reason that the first fitting row gives. */
interface Stated {
  readonly kind: string;
  readonly reasons: readonly string[];
}

/** The table of the design, once more, as a list of rows of which the first that fits holds. */
function table(seen: Observation): Stated {
  const balances = seen.touches.map((touch) => ({
    v: touch.foundVersion,
    e: touch.expectedVersion,
    a: touch.afterVersion,
    touch,
  }));
  const halts = [
    { reason: 'other-content', when: seen.ownRow === 'other' },
    {
      reason: 'version-taken',
      when: balances.some(({ v, a, touch }) => v === a && touch.foundLastSequence !== seen.sequence),
    },
    { reason: 'version-between', when: balances.some(({ v, e, a }) => e < v && v < a) },
    { reason: 'write-time', when: balances.some(({ touch }) => !touch.writeTimeNormal) },
  ].filter(({ when }) => when);
  const every = (what: (v: bigint, e: bigint, a: bigint) => boolean): boolean =>
    balances.every(({ v, e, a }) => what(v, e, a));
  const continues = balances.every(
    ({ touch }) => touch.predecessor === undefined || touch.foundLastSequence === touch.predecessor,
  );
  const nothingEarlier = (seen.watermarkBefore ?? -1n) >= seen.sequence - 1n;
  const since = seen.doubtSinceMs ?? Number.POSITIVE_INFINITY;
  const rows: (readonly [when: boolean, kind: string, reasons?: readonly string[]])[] = [
    [halts.length > 0, 'conflict', halts.map(({ reason }) => reason)],
    [seen.ownRow === 'same' && every((v, _e, a) => v >= a), 'settled'],
    [every((v, e) => v === e) && continues, 'ready'],
    [every((v, e) => v === e), 'conflict', ['predecessor']],
    // What follows needs the own row and the watermark; who has not read them is told to.
    [seen.ownRow === 'unread' || seen.watermarkBefore === undefined, 'look'],
    [every((v, e) => v <= e) && nothingEarlier, 'conflict', ['gap']],
    [every((v, e) => v <= e), 'behind'],
    [seen.readIssuedMs > since + seen.doubtLimitMs, 'conflict', ['doubt']],
    [true, 'doubt'],
  ];
  const [, kind, reasons] = rows.find(([when]) => when)!;
  return { kind, reasons: reasons ?? [] };
}

function* touchesWith(
  expected: readonly bigint[],
  found: readonly bigint[],
  userId: bigint,
): Generator<ObservedTouch> {
  for (const expectedVersion of expected)
    for (const steps of [1n, 2n])
      for (const foundVersion of found)
        for (const foundLastSequence of [OWN, OTHER, PREDECESSOR])
          for (const predecessor of [undefined, PREDECESSOR])
            for (const writeTimeNormal of [true, false])
              yield {
                userId,
                assetId: 1,
                expectedVersion,
                afterVersion: expectedVersion + steps,
                predecessor,
                foundVersion,
                foundLastSequence,
                writeTimeNormal,
              };
}

const OWN_ROWS: readonly OwnRow[] = ['unread', 'absent', 'same', 'other'];
/** Unread, too low to say anything, and everything before is settled. */
const WATERMARKS = [undefined, OWN - 2n, OWN - 1n];
/** Never in doubt, still within the limit to the last ms, and beyond it. */
const DOUBTS = [undefined, READ_MS - LIMIT_MS, READ_MS - LIMIT_MS - 1];

function* observations(touchLists: Iterable<readonly ObservedTouch[]>): Generator<Observation> {
  for (const touches of touchLists)
    for (const ownRow of OWN_ROWS)
      for (const watermarkBefore of WATERMARKS)
        for (const doubtSinceMs of DOUBTS)
          yield {
            sequence: OWN,
            touches,
            ownRow,
            watermarkBefore,
            readIssuedMs: READ_MS,
            readEndedMs: READ_MS + 5,
            doubtSinceMs,
            doubtLimitMs: LIMIT_MS,
          };
}

/** Undefined where the decision is what the table says, else both in words. Made for a million calls. */
function disagreement(seen: Observation): string | undefined {
  const stated = table(seen);
  const decision = decide(seen);
  const reason = decision.kind === 'conflict' ? decision.reason : undefined;
  const agrees =
    decision.kind === stated.kind && (reason === undefined || stated.reasons.includes(reason)) && named();
  return agrees
    ? undefined
    : JSON.stringify({ seen, stated, decision }, (_key, value: unknown) =>
        typeof value === 'bigint' ? `${value}` : value,
      );

  /** A mismatch names a balance of the event. */
  function named(): boolean {
    const balance = 'balance' in decision ? decision.balance : undefined;
    const waiting = decision.kind === 'behind' ? decision.waiting : [];
    return [...(balance ? [balance] : []), ...waiting].every((one) =>
      seen.touches.some((touch) => touch.userId === one.userId && touch.assetId === one.assetId),
    );
  }
}

function firstDisagreement(all: Iterable<Observation>): { checked: number; disagreement?: string } {
  let checked = 0;
  for (const seen of all) {
    checked += 1;
    const found = disagreement(seen);
    if (found !== undefined) return { checked, disagreement: found };
  }
  return { checked };
}

describe('the decision', () => {
  it('is what the table says of one balance, over all small versions', () => {
    const lists = [...touchesWith([0n, 1n, 2n], [0n, 1n, 2n, 3n, 4n], 1n)].map((touch) => [touch]);
    expect(firstDisagreement(observations(lists))).toEqual({ checked: 360 * 36 });
  });

  it('is what the table says of two balances, over all small versions', () => {
    // Only the distance of versions matters, as the case of one balance shows: so one expected version will do.
    const first = [...touchesWith([2n], [0n, 1n, 2n, 3n, 4n, 5n], 1n)];
    const second = [...touchesWith([2n], [1n, 2n, 3n, 4n, 5n], 2n)];
    const lists = (function* () {
      for (const one of first) for (const other of second) yield [one, other];
    })();
    expect(firstDisagreement(observations(lists))).toEqual({ checked: 144 * 120 * 36 });
  });

  it('answers for whatever is seen, up to the bounds of 63 bits', () => {
    const any = fc.oneof(fc.bigInt(0n, 2n ** 63n - 1n), fc.bigInt(0n, 4n));
    const touch = fc.record({
      userId: any,
      assetId: fc.nat(),
      expectedVersion: any,
      afterVersion: any,
      predecessor: fc.option(any, { nil: undefined }),
      foundVersion: any,
      foundLastSequence: any,
      writeTimeNormal: fc.boolean(),
    });
    const seen = fc.record({
      sequence: any,
      touches: fc.array(touch, { minLength: 1, maxLength: 4 }),
      ownRow: fc.constantFrom(...OWN_ROWS),
      watermarkBefore: fc.option(any, { nil: undefined }),
      readIssuedMs: fc.nat(),
      readTookMs: fc.nat(),
      doubtSinceMs: fc.option(fc.nat(), { nil: undefined }),
      doubtLimitMs: fc.nat(),
    });
    fc.assert(
      fc.property(seen, ({ readTookMs, ...one }) => {
        // No read is answered before it is issued.
        expect(disagreement({ ...one, readEndedMs: one.readIssuedMs + readTookMs })).toBeUndefined();
      }),
    );
  });

  it('counts a doubt from the moment at which a read first showed it, and keeps that moment', () => {
    const [touch] = touchesWith([2n], [5n], 1n);
    const seen: Observation = {
      sequence: OWN,
      touches: [touch!],
      ownRow: 'absent',
      watermarkBefore: 0n,
      readIssuedMs: 100,
      readEndedMs: 4_100,
      doubtLimitMs: 30,
    };
    expect(decide(seen)).toMatchObject({
      kind: 'doubt',
      sinceMs: 4_100,
      balance: { expected: 2n, found: 5n },
    });
    const later = { ...seen, readIssuedMs: 4_130, readEndedMs: 9_000, doubtSinceMs: 4_100 };
    expect(decide(later)).toMatchObject({ kind: 'doubt', sinceMs: 4_100 });
    expect(decide({ ...later, readIssuedMs: 4_131 })).toMatchObject({ kind: 'conflict', reason: 'doubt' });
  });

  it('names every balance that is behind, and none that is not', () => {
    const at = (userId: bigint, found: bigint): ObservedTouch => ({
      userId,
      assetId: 3,
      expectedVersion: 2n,
      afterVersion: 3n,
      foundVersion: found,
      foundLastSequence: 0n,
      writeTimeNormal: true,
    });
    const decision = decide({
      sequence: OWN,
      touches: [at(1n, 0n), at(2n, 2n), at(3n, 1n)],
      ownRow: 'absent',
      watermarkBefore: 0n,
      readIssuedMs: 0,
      readEndedMs: 0,
      doubtLimitMs: 1,
    });
    expect(decision).toEqual({
      kind: 'behind',
      waiting: [
        { userId: 1n, assetId: 3, expected: 2n, found: 0n },
        { userId: 3n, assetId: 3, expected: 2n, found: 1n },
      ],
    });
  });
});
