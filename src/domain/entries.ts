/**
 * Ledger entries: the immutable row of one version of one balance. They follow from an event and its calculated legs
 * alone (I1a), so that they can be written again from the event's row at any time, byte for byte.
 */
import type { BalanceKey } from './balance.ts';
import type { CalculatedLeg } from './calculate.ts';
import { eventId, type EventKind, type SettlementEvent } from './event.ts';
import type { StepKind } from './legs.ts';

/** Versions per partition of `ledger_entries`. */
export const ENTRY_BUCKET_VERSIONS = 10_000n;

/** One version of one balance, and what brought it. */
export interface LedgerEntry extends BalanceKey {
  readonly version: bigint;
  readonly stream: string;
  readonly sequence: bigint;
  readonly eventKind: EventKind;
  readonly eventId: bigint;
  readonly step: StepKind;
  readonly availableChange: bigint;
  readonly frozenChange: bigint;
  readonly availableAfter: bigint;
  readonly frozenAfter: bigint;
  readonly chain: Buffer;
  readonly timeMs: number;
}

/** The bucket of `ledger_entries` that holds a version. */
export function entryBucket(version: bigint): bigint {
  return version / ENTRY_BUCKET_VERSIONS;
}

/** The entries of an event, one per step of each leg, in the legs' order. */
export function entriesOf(
  stream: string,
  event: SettlementEvent,
  legs: readonly CalculatedLeg[],
): LedgerEntry[] {
  return legs.flatMap((leg) =>
    leg.steps.map((step) => ({
      userId: leg.userId,
      assetId: leg.assetId,
      version: step.version,
      stream,
      sequence: event.sequence,
      eventKind: event.kind,
      eventId: eventId(event),
      step: step.kind,
      availableChange: step.availableChange,
      frozenChange: step.frozenChange,
      availableAfter: step.availableAfter,
      frozenAfter: step.frozenAfter,
      chain: step.chain,
      timeMs: event.timeMs,
    })),
  );
}
