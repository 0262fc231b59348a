/**
 * The `legs` cell of an event's row: every leg with version and chain before, values and chain after each step (I1),
 * as one JSON text that people can read with cqlsh. Changes are not repeated in it: they follow from the event.
 */
import type { CalculatedLeg } from '../domain/calculate.ts';
import type { SettlementEvent } from '../domain/event.ts';
import { parseUint63 } from '../domain/integers.ts';
import { legsOf, type StepKind } from '../domain/legs.ts';

interface LegCell {
  readonly user: string;
  readonly asset: number;
  readonly version: string;
  readonly chain: string;
  readonly steps: readonly { step: string; available: string; frozen: string; chain: string }[];
}

/** Writes the cell. */
export function encodeLegs(legs: readonly CalculatedLeg[]): string {
  return JSON.stringify(
    legs.map((leg): LegCell => ({
      user: leg.userId.toString(),
      asset: leg.assetId,
      version: leg.versionBefore.toString(),
      chain: leg.chainBefore.toString('hex'),
      steps: leg.steps.map((step) => ({
        step: step.kind,
        available: step.availableAfter.toString(),
        frozen: step.frozenAfter.toString(),
        chain: step.chain.toString('hex'),
      })),
    })),
  );
}

/**
 * Reads the cell back, with the changes that the event's legs state.
 *
 * @throws Error naming the event if the cell does not fit it
 */
export function decodeLegs(cell: string, event: SettlementEvent): CalculatedLeg[] {
  const wrong = (what: string): Error =>
    new Error(`legs of ${event.kind} with sequence ${event.sequence} do not fit the event: ${what}`);
  const cells = JSON.parse(cell) as readonly LegCell[];
  const legs = legsOf(event);
  if (!Array.isArray(cells) || cells.length !== legs.length) throw wrong('another number of legs');
  return legs.map((leg, index) => {
    const stored = cells[index];
    if (!stored || stored.user !== leg.userId.toString() || stored.asset !== leg.assetId)
      throw wrong(`leg ${index} names another balance`);
    if (stored.steps.length !== leg.steps.length) throw wrong(`leg ${index} has another number of steps`);
    const versionBefore = parseUint63(stored.version, 'version');
    return {
      userId: leg.userId,
      assetId: leg.assetId,
      versionBefore,
      chainBefore: Buffer.from(stored.chain, 'hex'),
      steps: leg.steps.map((step, at) => {
        const after = stored.steps[at];
        if (!after || after.step !== step.kind) throw wrong(`leg ${index} step ${at} is of another kind`);
        return {
          kind: step.kind satisfies StepKind,
          version: versionBefore + BigInt(at) + 1n,
          availableChange: step.availableChange,
          frozenChange: step.frozenChange,
          availableAfter: parseUint63(after.available, 'available'),
          frozenAfter: parseUint63(after.frozen, 'frozen'),
          chain: Buffer.from(after.chain, 'hex'),
        };
      }),
    };
  });
}
