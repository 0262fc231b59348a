/**
 * The calculation: the legs of an event upon balances whose versions fit, step by step, with the chain. The result is
 * absolute (I2) and a function of the event and the balances alone. A result that is negative or leaves 64 bits is a
 * conflict: the engine's book and ours disagree (I8).
 */
import type { Balance, BalanceKey } from './balance.ts';
import { nextChain } from './chain.ts';
import type { SettlementEvent } from './event.ts';
import { INT64_MAX } from './integers.ts';
import type { Leg, StepKind, Touch } from './legs.ts';

/** A step after calculation: one version of one balance, one ledger entry. */
export interface CalculatedStep {
  readonly kind: StepKind;
  readonly version: bigint;
  readonly availableChange: bigint;
  readonly frozenChange: bigint;
  readonly availableAfter: bigint;
  readonly frozenAfter: bigint;
  readonly chain: Buffer;
}

/** A leg after calculation: where it started, and each step. */
export interface CalculatedLeg extends BalanceKey {
  readonly versionBefore: bigint;
  readonly chainBefore: Buffer;
  readonly steps: readonly CalculatedStep[];
}

/** What an event leads to. */
export type Calculation =
  | {
      readonly kind: 'calculated';
      readonly legs: readonly CalculatedLeg[];
      readonly balances: readonly Balance[];
    }
  | {
      readonly kind: 'conflict';
      readonly reason: 'negative-balance' | 'overflow';
      readonly balance: BalanceKey;
      /**
       * Which of the two values, what it is before the event, and what the event would make of it by the step that fails:
       * below 0, or above 2⁶³ − 1.
       */
      readonly field: 'available' | 'frozen';
      readonly found: bigint;
      readonly wouldBe: bigint;
      /** The least (`negative-balance`) or most (`overflow`) that `found` had to be for that step; cut to 63 bits, as `found` is. */
      readonly expected: bigint;
    };

/**
 * Applies an event's legs to its balances.
 *
 * @param touches the event's balances (`touchesOf(legs)`)
 * @param before the balances at the touches' expected versions, in the same order
 * @returns the calculated legs, and the balances after in the order of `touches`; or the conflict
 */
export function calculate(
  event: SettlementEvent,
  digest: Buffer,
  legs: readonly Leg[],
  touches: readonly Touch[],
  before: readonly Balance[],
): Calculation {
  const current: Balance[] = [...before];
  const calculated: CalculatedLeg[] = [];
  for (const [legIndex, leg] of legs.entries()) {
    const at = touches.findIndex((touch) => touch.userId === leg.userId && touch.assetId === leg.assetId);
    let balance = current[at];
    if (!balance || balance.version !== leg.expectedVersion)
      throw new Error(
        `calculate: leg ${legIndex} of sequence ${event.sequence} is not at its expected version`,
      );
    const start = balance;
    const first = before[at] ?? start;
    const steps: CalculatedStep[] = [];
    for (const [stepIndex, step] of leg.steps.entries()) {
      const available: bigint = balance.available + step.availableChange;
      const frozen: bigint = balance.frozen + step.frozenChange;
      if (available < 0n || available > INT64_MAX)
        return outOfRange(leg, 'available', first.available, available);
      if (frozen < 0n || frozen > INT64_MAX) return outOfRange(leg, 'frozen', first.frozen, frozen);
      const version: bigint = balance.version + 1n;
      const chain: Buffer = nextChain(balance.chain, {
        userId: leg.userId,
        assetId: leg.assetId,
        digest,
        leg: legIndex,
        step: stepIndex,
        version,
        availableAfter: available,
        frozenAfter: frozen,
      });
      steps.push({
        kind: step.kind,
        version,
        availableChange: step.availableChange,
        frozenChange: step.frozenChange,
        availableAfter: available,
        frozenAfter: frozen,
        chain,
      });
      balance = { available, frozen, version, lastSequence: event.sequence, chain };
    }
    current[at] = balance;
    calculated.push({
      userId: leg.userId,
      assetId: leg.assetId,
      versionBefore: start.version,
      chainBefore: start.chain,
      steps,
    });
  }
  return { kind: 'calculated', legs: calculated, balances: current };
}

function outOfRange(
  balance: BalanceKey,
  field: 'available' | 'frozen',
  found: bigint,
  wouldBe: bigint,
): Calculation {
  const excess = wouldBe < 0n ? wouldBe : wouldBe - INT64_MAX;
  const needed = found - excess;
  return {
    kind: 'conflict',
    reason: wouldBe < 0n ? 'negative-balance' : 'overflow',
    balance: { userId: balance.userId, assetId: balance.assetId },
    field,
    found,
    wouldBe,
    expected: needed < 0n ? 0n : needed > INT64_MAX ? INT64_MAX : needed,
  };
}
