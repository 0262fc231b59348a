/**
 * What is decided about a dismissal: how each of the event's balances stands to it. One total function beside that of
 * decision.ts, with which it agrees where both may say something. Pure; workflows import its words.
 */
import type { Mismatch, ObservedTouch } from './decision.ts';

/** A balance as it was read for a dismissal. Predecessors are not asked for: nothing is calculated from its values. */
export interface ObservedVoidTouch extends ObservedTouch {
  /** Which event brought the version after the expected one, by its ledger entry; undefined where there is no entry. */
  readonly takenBy?: 'own' | 'other' | undefined;
}

/**
 * How a balance stands to a dismissed event.
 * - `free`: it is at the version that the event expects; the void takes the event's versions.
 * - `taken`: another event has brought the version that this one would have brought.
 * - `gap`: it never reached the version that the event expects, and nothing earlier can come.
 * - `by-hand`: its row was written by hand, which would hide whatever is written to it (I3).
 * - `row-taken`: under the event's own key another content stands, so that nothing of it can be written.
 */
export type VoidPlace = 'free' | 'taken' | 'gap' | 'by-hand' | 'row-taken';

/** The event's own row: not there, settled as the engine stated, dismissed, or of other content. */
export type VoidOwnRow = 'absent' | 'settled' | 'dismissed' | 'other';

/** Everything that the decision depends on. */
export interface VoidObservation {
  readonly sequence: bigint;
  readonly touches: readonly ObservedVoidTouch[];
  readonly ownRow: VoidOwnRow;
  /** The watermark as read before the balances. */
  readonly watermarkBefore: bigint;
}

/** What a dismissal may do. */
export type VoidDecision =
  /** A place for each touch, in order. Where none is free, nothing is written but the decision. */
  | { readonly kind: 'void'; readonly places: readonly VoidPlace[] }
  /** It was dismissed already: its row says what it took. */
  | { readonly kind: 'dismissed' }
  /** It is settled as the engine stated it: there is nothing to dismiss. */
  | { readonly kind: 'settled' }
  /** An earlier event is still to be settled, or to be decided about. */
  | { readonly kind: 'behind'; readonly balance: Mismatch }
  /** Part of a batch is visible, or it is not yet known which event took the version: read again. */
  | { readonly kind: 'doubt'; readonly balance: Mismatch };

/**
 * Decides what a dismissal may do. Total. Where `decide` (decision.ts) says *ready* of the same balances, every one is
 * free; where it says *settled* or *behind*, so does this.
 */
export function decideVoid(observation: VoidObservation): VoidDecision {
  const { touches, ownRow, sequence } = observation;
  if (ownRow === 'dismissed') return { kind: 'dismissed' };
  if (ownRow === 'other') return { kind: 'void', places: touches.map(() => 'row-taken') };
  if (ownRow === 'settled') {
    const missing = touches.find((touch) => touch.foundVersion < touch.afterVersion);
    return missing ? { kind: 'doubt', balance: mismatch(missing) } : { kind: 'settled' };
  }
  const standings = touches.map((touch) => standingOf(touch, observation));
  for (const kind of ['doubt', 'behind'] as const) {
    const touch = touches[standings.indexOf(kind)];
    if (touch) return { kind, balance: mismatch(touch) };
  }
  return { kind: 'void', places: standings as VoidPlace[] };

  function standingOf(touch: ObservedVoidTouch, seen: VoidObservation): VoidPlace | 'doubt' | 'behind' {
    const { foundVersion, foundLastSequence, expectedVersion, afterVersion, takenBy } = touch;
    if (!touch.writeTimeNormal) return 'by-hand';
    if (foundVersion === expectedVersion) return 'free';
    if (foundVersion < expectedVersion) return seen.watermarkBefore >= sequence - 1n ? 'gap' : 'behind';
    if (takenBy === 'other') return 'taken';
    // A balance does not say of which stream the event is that changed it last.
    if (foundLastSequence === sequence) return 'doubt';
    // Between the event's own versions only another event can stand, since the event's batch leaves the last of them.
    return foundVersion <= afterVersion ? 'taken' : 'doubt';
  }
}

function mismatch(touch: ObservedTouch): Mismatch {
  const { userId, assetId, expectedVersion, foundVersion } = touch;
  return { userId, assetId, expected: expectedVersion, found: foundVersion };
}
