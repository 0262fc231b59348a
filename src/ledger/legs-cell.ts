/**
 * The `legs` cell of an event's row: of every leg the version and chain before, of each of its steps the values and the
 * chain after (I1). One JSON text that people can read with cqlsh, and lean, since each byte of a LOGGED BATCH is
 * written three times (batch log, commit log, table): user, asset, kind of step and changes follow from the event's
 * other columns, and chain values are base64url.
 *
 *     [["VERSION","CHAIN",["AVAILABLE","FROZEN","CHAIN"], …a second step…], …a leg each…]
 */
import type { CalculatedLeg } from '../domain/calculate.ts';
import { CHAIN_BYTES } from '../domain/chain.ts';
import type { SettlementEvent } from '../domain/event.ts';
import { parseUint63 } from '../domain/integers.ts';
import { legsOf } from '../domain/legs.ts';

/** Writes the cell. None of its texts needs escaping, so it is put together as it is. */
export function encodeLegs(legs: readonly CalculatedLeg[]): string {
  let cell = '';
  for (const leg of legs) {
    cell += `${cell === '' ? '[[' : ',['}"${leg.versionBefore}","${leg.chainBefore.toString('base64url')}"`;
    for (const step of leg.steps)
      cell += `,["${step.availableAfter}","${step.frozenAfter}","${step.chain.toString('base64url')}"]`;
    cell += ']';
  }
  return `${cell}]`;
}

/**
 * Reads the cell back, with the changes that the event's legs state.
 *
 * @throws Error naming the event if the cell does not fit it
 */
export function decodeLegs(cell: string, event: SettlementEvent): CalculatedLeg[] {
  const wrong = (what: string): Error =>
    new Error(`legs of ${event.kind} with sequence ${event.sequence} do not fit the event: ${what}`);
  const cells = JSON.parse(cell) as unknown;
  const legs = legsOf(event);
  if (!Array.isArray(cells) || cells.length !== legs.length) throw wrong('another number of legs');
  const text = (value: unknown, what: string): string => {
    if (typeof value !== 'string') throw wrong(`${what} is missing`);
    return value;
  };
  const chain = (value: unknown, what: string): Buffer => {
    const bytes = Buffer.from(text(value, what), 'base64url');
    if (bytes.length !== CHAIN_BYTES) throw wrong(`${what} has ${bytes.length} bytes`);
    return bytes;
  };
  return legs.map((leg, index) => {
    const stored = cells[index] as unknown;
    if (!Array.isArray(stored) || stored.length !== leg.steps.length + 2)
      throw wrong(`leg ${index} has another number of steps`);
    const versionBefore = parseUint63(text(stored[0], `the version of leg ${index}`), 'version');
    return {
      userId: leg.userId,
      assetId: leg.assetId,
      versionBefore,
      chainBefore: chain(stored[1], `the chain before leg ${index}`),
      steps: leg.steps.map((step, at) => {
        const after = stored[at + 2] as unknown;
        const name = `leg ${index} step ${at}`;
        if (!Array.isArray(after) || after.length !== 3) throw wrong(`${name} has no values`);
        return {
          kind: step.kind,
          version: versionBefore + BigInt(at) + 1n,
          availableChange: step.availableChange,
          frozenChange: step.frozenChange,
          availableAfter: parseUint63(text(after[0], `available after ${name}`), 'available'),
          frozenAfter: parseUint63(text(after[1], `frozen after ${name}`), 'frozen'),
          chain: chain(after[2], `the chain after ${name}`),
        };
      }),
    };
  });
}
