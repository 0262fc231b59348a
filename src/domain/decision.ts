/**
 * The decision: what is to be done about an event, given the balances it touches, its own row and how long it has been
 * in doubt. One total function, in the order of the design's table ("What is decided about an event"); the first state
 * that fits holds. Pure and tested exhaustively over small versions.
 */
import type { BalanceKey } from './balance.ts';

/** A balance as it was read, with what the event expects of it. */
export interface ObservedTouch extends BalanceKey {
  readonly expectedVersion: bigint;
  readonly afterVersion: bigint;
  /** Sequence of the event before on this balance, where the ingest knew it to be in flight (I1c). */
  readonly predecessor?: bigint | undefined;
  readonly foundVersion: bigint;
  readonly foundLastSequence: bigint;
  /** False if a cell's write time is not the balance's version: somebody wrote it by hand (I3). */
  readonly writeTimeNormal: boolean;
}

/** The event's own row: not read, not there, there with the same content, or with other content. */
export type OwnRow = 'unread' | 'absent' | 'same' | 'other';

/** Everything that the decision depends on. */
export interface Observation {
  readonly sequence: bigint;
  readonly touches: readonly ObservedTouch[];
  readonly ownRow: OwnRow;
  /** The watermark as read *before* the balances; undefined where it was not read. */
  readonly watermarkBefore?: bigint | undefined;
  /** When the read of the balances was issued, ms. */
  readonly readIssuedMs: number;
  /** When that read had been answered, ms: from then on a doubt that it shows is known. */
  readonly readEndedMs: number;
  /** When the event was first found in doubt, ms, in whichever attempt; undefined where it never was. */
  readonly doubtSinceMs?: number | undefined;
  /** The time within which the batch log must have been replayed, ms. */
  readonly doubtLimitMs: number;
}

/** Why a person must look. The words are stable: they stand in histories and tables. */
export type ConflictReason =
  | 'other-content'
  | 'version-taken'
  | 'version-between'
  | 'write-time'
  | 'predecessor'
  | 'gap'
  | 'doubt'
  | 'negative-balance'
  | 'overflow';

/** A balance that is not as the event expects it. */
export interface Mismatch extends BalanceKey {
  readonly expected: bigint;
  readonly found: bigint;
}

/** What is to be done. */
export type Decision =
  | { readonly kind: 'ready' }
  | { readonly kind: 'settled' }
  | { readonly kind: 'behind'; readonly waiting: readonly Mismatch[] }
  | { readonly kind: 'doubt'; readonly sinceMs: number; readonly balance: Mismatch }
  | { readonly kind: 'conflict'; readonly reason: ConflictReason; readonly balance: Mismatch }
  /** Versions alone do not tell: the watermark, then own row and balances, must be read. */
  | { readonly kind: 'look' };

/** Decides about one event. Total: every observation has exactly one answer. */
export function decide(observation: Observation): Decision {
  const { touches, ownRow, sequence } = observation;
  const conflict = findConflict(observation);
  if (conflict) return conflict;
  if (ownRow === 'same' && touches.every((touch) => touch.foundVersion >= touch.afterVersion))
    return { kind: 'settled' };
  if (touches.every((touch) => touch.foundVersion === touch.expectedVersion)) {
    const broken = touches.find(
      (touch) => touch.predecessor !== undefined && touch.predecessor !== touch.foundLastSequence,
    );
    if (!broken) return { kind: 'ready' };
    const balance = named(broken, broken.predecessor ?? 0n, broken.foundLastSequence);
    return { kind: 'conflict', reason: 'predecessor', balance };
  }
  if (ownRow === 'unread' || observation.watermarkBefore === undefined) return { kind: 'look' };
  const ahead = touches.find((touch) => touch.foundVersion > touch.expectedVersion);
  if (!ahead) {
    const waiting = touches.filter((touch) => touch.foundVersion < touch.expectedVersion).map(versions);
    const [first] = waiting;
    if (first && observation.watermarkBefore >= sequence - 1n)
      return { kind: 'conflict', reason: 'gap', balance: first };
    return { kind: 'behind', waiting };
  }
  const sinceMs = observation.doubtSinceMs ?? observation.readEndedMs;
  if (observation.readIssuedMs > sinceMs + observation.doubtLimitMs)
    return { kind: 'conflict', reason: 'doubt', balance: versions(ahead) };
  return { kind: 'doubt', sinceMs, balance: versions(ahead) };
}

function findConflict({ touches, ownRow, sequence }: Observation): Decision | undefined {
  const [first] = touches;
  if (ownRow === 'other' && first)
    return { kind: 'conflict', reason: 'other-content', balance: versions(first) };
  for (const touch of touches) {
    const { foundVersion, expectedVersion, afterVersion } = touch;
    if (!touch.writeTimeNormal) return { kind: 'conflict', reason: 'write-time', balance: versions(touch) };
    if (foundVersion === afterVersion && touch.foundLastSequence !== sequence)
      return { kind: 'conflict', reason: 'version-taken', balance: versions(touch) };
    if (foundVersion > expectedVersion && foundVersion < afterVersion)
      return { kind: 'conflict', reason: 'version-between', balance: versions(touch) };
  }
  return undefined;
}

function versions(touch: ObservedTouch): Mismatch {
  return named(touch, touch.expectedVersion, touch.foundVersion);
}

function named(key: BalanceKey, expected: bigint, found: bigint): Mismatch {
  return { userId: key.userId, assetId: key.assetId, expected, found };
}
