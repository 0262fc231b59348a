/**
 * What is decided about a dismissal, over every small observation: against the laws that it must keep, and against the
 * decision about the same event, with which it may never disagree.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide, type OwnRow } from '../../src/domain/decision.ts';
import {
  decideVoid,
  type ObservedVoidTouch,
  type VoidObservation,
  type VoidOwnRow,
} from '../../src/domain/void-decision.ts';

const OWN = 20n;
const OTHER = 7n;

function* touches(userId: bigint): Generator<ObservedVoidTouch> {
  for (const steps of [1n, 2n])
    for (const foundVersion of [0n, 1n, 2n, 3n, 4n, 5n])
      for (const foundLastSequence of [OWN, OTHER])
        for (const takenBy of [undefined, 'own', 'other'] as const)
          for (const writeTimeNormal of [true, false])
            yield {
              userId,
              assetId: 1,
              expectedVersion: 2n,
              afterVersion: 2n + steps,
              foundVersion,
              foundLastSequence,
              writeTimeNormal,
              takenBy,
            };
}

const OWN_ROWS: readonly VoidOwnRow[] = ['absent', 'settled', 'dismissed', 'other'];
/** The own row as the other decision knows it: a dismissed event's row has the same content. */
const ROW_OF: Readonly<Record<VoidOwnRow, OwnRow>> = {
  absent: 'absent',
  settled: 'same',
  dismissed: 'same',
  other: 'other',
};

/** The law that is broken, or undefined. */
function brokenLaw(seen: VoidObservation): string | undefined {
  const decision = decideVoid(seen);
  const ordinary = decide({
    ...seen,
    ownRow: ROW_OF[seen.ownRow],
    readIssuedMs: 0,
    readEndedMs: 0,
    doubtLimitMs: 1,
  });
  const { touches: all, ownRow } = seen;
  const last = all.length;
  const laws: Record<string, boolean> = {
    'a dismissed event stays dismissed': (ownRow === 'dismissed') === (decision.kind === 'dismissed'),
    'only an event with its row is settled': decision.kind !== 'settled' || ownRow === 'settled',
    'an event that stands there is never voided': ownRow !== 'settled' || decision.kind !== 'void',
    'every balance has its place': decision.kind !== 'void' || decision.places.length === last,
    'a balance is free only at the expected version, with no row of the event and no hand in it':
      decision.kind !== 'void' ||
      decision.places.every(
        (place, at) =>
          (place === 'free') ===
          (ownRow === 'absent' &&
            all[at]!.writeTimeNormal &&
            all[at]!.foundVersion === all[at]!.expectedVersion),
      ),
    'what is taken has moved on, by another event':
      decision.kind !== 'void' ||
      decision.places.every(
        (place, at) =>
          place !== 'taken' ||
          (all[at]!.foundVersion > all[at]!.expectedVersion &&
            (all[at]!.foundLastSequence !== OWN || all[at]!.takenBy === 'other')),
      ),
    'a gap is final: nothing earlier can come':
      decision.kind !== 'void' ||
      !decision.places.includes('gap') ||
      seen.watermarkBefore >= seen.sequence - 1n,
    'nothing is written while part of a batch of the event shows':
      decision.kind !== 'void' ||
      ownRow === 'other' ||
      all.every(
        (touch) =>
          !touch.writeTimeNormal ||
          touch.foundVersion <= touch.expectedVersion ||
          touch.foundLastSequence !== seen.sequence ||
          touch.takenBy === 'other',
      ),
    'what is ready is free, all of it':
      ordinary.kind !== 'ready' ||
      ownRow !== 'absent' ||
      (decision.kind === 'void' && decision.places.every((place) => place === 'free')),
    'what is behind is behind':
      ordinary.kind !== 'behind' || ownRow !== 'absent' || decision.kind === 'behind',
    'what is settled is settled':
      ordinary.kind !== 'settled' || ownRow !== 'settled' || decision.kind === 'settled',
    'what can be written is a conflict, or was ready':
      decision.kind !== 'void' || ['ready', 'conflict', 'doubt'].includes(ordinary.kind),
  };
  const [broken] = Object.entries(laws).find(([, holds]) => !holds) ?? [];
  return broken === undefined
    ? undefined
    : `${broken}: ${JSON.stringify({ seen, decision, ordinary }, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))}`;
}

describe('the decision about a dismissal', () => {
  it('keeps its laws for one balance and for two, over all small versions', () => {
    let checked = 0;
    for (const ownRow of OWN_ROWS)
      for (const watermarkBefore of [OWN - 2n, OWN - 1n])
        for (const one of touches(1n)) {
          const seen = { sequence: OWN, ownRow, watermarkBefore };
          expect(brokenLaw({ ...seen, touches: [one] })).toBeUndefined();
          for (const other of touches(2n)) {
            checked += 1;
            const broken = brokenLaw({ ...seen, touches: [one, other] });
            if (broken !== undefined) throw new Error(broken);
          }
        }
    expect(checked).toBe(4 * 2 * 144 * 144);
  });

  it('answers for whatever is seen', () => {
    const any = fc.oneof(fc.bigInt(0n, 2n ** 63n - 1n), fc.bigInt(0n, 4n));
    const touch = fc.record({
      userId: any,
      assetId: fc.nat(),
      expectedVersion: any,
      afterVersion: any,
      foundVersion: any,
      foundLastSequence: any,
      writeTimeNormal: fc.boolean(),
      takenBy: fc.constantFrom(undefined, 'own' as const, 'other' as const),
    });
    const seen = fc.record({
      sequence: any,
      touches: fc.array(touch, { minLength: 1, maxLength: 4 }),
      ownRow: fc.constantFrom(...OWN_ROWS),
      watermarkBefore: any,
    });
    fc.assert(
      fc.property(seen, (one) => {
        expect(['void', 'dismissed', 'settled', 'behind', 'doubt']).toContain(decideVoid(one).kind);
      }),
    );
  });

  it('reads again while it is not known which event took the version, and knows it by the entry', () => {
    const at = (takenBy: 'own' | 'other' | undefined, foundLastSequence = 30n): VoidObservation => ({
      sequence: OWN,
      ownRow: 'absent',
      watermarkBefore: OWN - 1n,
      touches: [
        {
          userId: 1n,
          assetId: 1,
          expectedVersion: 2n,
          afterVersion: 3n,
          foundVersion: 9n,
          foundLastSequence,
          writeTimeNormal: true,
          takenBy,
        },
      ],
    });
    expect(decideVoid(at(undefined))).toMatchObject({ kind: 'doubt', balance: { expected: 2n, found: 9n } });
    expect(decideVoid(at('own'))).toMatchObject({ kind: 'doubt' });
    expect(decideVoid(at('other'))).toEqual({ kind: 'void', places: ['taken'] });
    // Another stream's event may have the same number, which is all that the balance says.
    expect(decideVoid(at('other', OWN))).toEqual({ kind: 'void', places: ['taken'] });
  });
});
