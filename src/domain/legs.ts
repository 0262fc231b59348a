/**
 * What an event does to balances, before any balance is known: its legs, in the design's order. A leg states the
 * version it expects and one change per step; a trade's leg with a refund has two steps, *spend* then *refund*, so
 * that versions stay contiguous. Pure: no storage, no clock.
 */
import type { BalanceKey } from './balance.ts';
import type { SettlementEvent, Trade } from './event.ts';

/** What one step of a leg is called in the ledger. `void`: of a dismissed event, which changes nothing (void.ts). */
export type StepKind = 'deposit' | 'withdraw' | 'lock' | 'unlock' | 'spend' | 'refund' | 'receive' | 'void';

/** One step: it moves a balance by one version and becomes one ledger entry. */
export interface Step {
  readonly kind: StepKind;
  readonly availableChange: bigint;
  readonly frozenChange: bigint;
}

/** What an event does to one balance. */
export interface Leg extends BalanceKey {
  /** The version that the balance had before this leg, as the engine stated it. */
  readonly expectedVersion: bigint;
  /** One or two. */
  readonly steps: readonly Step[];
}

/** What an event does to one balance over all its legs: in a self-trade two legs chain on one balance. */
export interface Touch extends BalanceKey {
  /** Expected version of the first leg on the balance. */
  readonly expectedVersion: bigint;
  /** Version after the last leg on the balance. */
  readonly afterVersion: bigint;
}

/** The legs of an event: one for a ledger event, four for a trade (buyer quote, buyer base, seller base, seller quote). */
export function legsOf(event: SettlementEvent): readonly Leg[] {
  if (event.kind === 'trade') return tradeLegs(event);
  const amount = event.amount;
  const change =
    event.kind === 'deposit'
      ? { availableChange: amount, frozenChange: 0n }
      : event.kind === 'withdraw'
        ? { availableChange: -amount, frozenChange: 0n }
        : event.kind === 'lock'
          ? { availableChange: -amount, frozenChange: amount }
          : { availableChange: amount, frozenChange: -amount };
  return [
    {
      userId: event.userId,
      assetId: event.currency,
      expectedVersion: event.version,
      steps: [{ kind: event.kind, ...change }],
    },
  ];
}

function tradeLegs(trade: Trade): readonly Leg[] {
  return [
    {
      userId: trade.buyerUserId,
      assetId: trade.quoteAsset,
      expectedVersion: trade.buyerQuoteVersion,
      steps: spend(trade.quoteAmount, trade.buyerRefund),
    },
    {
      userId: trade.buyerUserId,
      assetId: trade.baseAsset,
      expectedVersion: trade.buyerBaseVersion,
      steps: [{ kind: 'receive', availableChange: trade.quantity, frozenChange: 0n }],
    },
    {
      userId: trade.sellerUserId,
      assetId: trade.baseAsset,
      expectedVersion: trade.sellerBaseVersion,
      steps: spend(trade.quantity, trade.sellerRefund),
    },
    {
      userId: trade.sellerUserId,
      assetId: trade.quoteAsset,
      expectedVersion: trade.sellerQuoteVersion,
      steps: [{ kind: 'receive', availableChange: trade.quoteAmount, frozenChange: 0n }],
    },
  ];
}

function spend(amount: bigint, refund: bigint): readonly Step[] {
  const step: Step = { kind: 'spend', availableChange: 0n, frozenChange: -amount };
  return refund > 0n ? [step, { kind: 'refund', availableChange: refund, frozenChange: -refund }] : [step];
}

/** The balances that legs touch, each once, in order of first appearance, with versions before and after. */
export function touchesOf(legs: readonly Leg[]): Touch[] {
  const touches: { userId: bigint; assetId: number; expectedVersion: bigint; afterVersion: bigint }[] = [];
  for (const leg of legs) {
    const steps = BigInt(leg.steps.length);
    const same = touches.find((touch) => touch.userId === leg.userId && touch.assetId === leg.assetId);
    if (same) same.afterVersion += steps;
    else
      touches.push({
        userId: leg.userId,
        assetId: leg.assetId,
        expectedVersion: leg.expectedVersion,
        afterVersion: leg.expectedVersion + steps,
      });
  }
  return touches;
}
