/**
 * A dismissed event, settled as void: where its versions are still free it takes them without changing anything, so that
 * later events can follow; where another event has them, nothing is written. What its void legs lead to is a function of
 * the event and the balances alone, so that every attempt at a dismissal writes the same bytes (I2, I3).
 */
import type { Balance } from './balance.ts';
import type { CalculatedLeg, CalculatedStep } from './calculate.ts';
import { voidChain } from './chain.ts';
import type { Leg, Touch } from './legs.ts';
import type { VoidPlace } from './void-decision.ts';

/** What a void leads to. */
export interface VoidCalculation {
  /** In the order of the event's legs; undefined where the leg takes no version. */
  readonly legs: readonly (CalculatedLeg | undefined)[];
  /** In the order of the touches; undefined where nothing is written. */
  readonly balances: readonly (Balance | undefined)[];
}

/**
 * The void legs of an event: as many steps as the engine stated, each of kind `void`, with no change of values, from the
 * same versions, with the chain going on.
 *
 * @param touches the event's balances (`touchesOf(legs)`)
 * @param places of each touch; only those that are `free` take part
 * @param before the balances, in the order of the touches; those that are free at their expected versions
 * @throws Error if a balance that is said to be free is not at its expected version
 */
export function calculateVoid(
  sequence: bigint,
  digest: Buffer,
  legs: readonly Leg[],
  touches: readonly Touch[],
  places: readonly VoidPlace[],
  before: readonly Balance[],
): VoidCalculation {
  const current: Balance[] = [...before];
  const calculated = legs.map((leg, legIndex): CalculatedLeg | undefined => {
    const at = touches.findIndex((touch) => touch.userId === leg.userId && touch.assetId === leg.assetId);
    const start = current[at];
    if (places[at] !== 'free') return undefined;
    if (!start || start.version !== leg.expectedVersion)
      throw new Error(`void: leg ${legIndex} of sequence ${sequence} is not at its expected version`);
    let { version, chain } = start;
    const { available, frozen } = start;
    const steps = leg.steps.map((_, stepIndex): CalculatedStep => {
      version += 1n;
      chain = voidChain(chain, {
        userId: leg.userId,
        assetId: leg.assetId,
        digest,
        leg: legIndex,
        step: stepIndex,
        version,
        availableAfter: available,
        frozenAfter: frozen,
      });
      return {
        kind: 'void',
        version,
        availableChange: 0n,
        frozenChange: 0n,
        availableAfter: available,
        frozenAfter: frozen,
        chain,
      };
    });
    current[at] = { available, frozen, version, lastSequence: sequence, chain };
    return {
      userId: leg.userId,
      assetId: leg.assetId,
      versionBefore: start.version,
      chainBefore: start.chain,
      steps,
    };
  });
  const balances = current.map((balance, at) => (places[at] === 'free' ? balance : undefined));
  return { legs: calculated, balances };
}

/** The balances that void legs took, with the versions before and after, in order of first appearance. */
export function voidTouchesOf(legs: readonly (CalculatedLeg | undefined)[]): Touch[] {
  const touches: { userId: bigint; assetId: number; expectedVersion: bigint; afterVersion: bigint }[] = [];
  for (const leg of legs) {
    const last = leg?.steps.at(-1);
    if (!leg || !last) continue;
    const same = touches.find((touch) => touch.userId === leg.userId && touch.assetId === leg.assetId);
    if (same) same.afterVersion = last.version;
    else
      touches.push({
        userId: leg.userId,
        assetId: leg.assetId,
        expectedVersion: leg.versionBefore,
        afterVersion: last.version,
      });
  }
  return touches;
}
