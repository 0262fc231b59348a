/**
 * The `legs` cell of an event's row: of every leg the version and chain before, of each of its steps the values and the
 * chain after (I1). One JSON text that people can read with cqlsh, and lean, since each byte of a LOGGED BATCH is
 * written three times (batch log, commit log, table): user, asset, kind of step and changes follow from the event's
 * other columns, and chain values are base64url. In the row of a dismissed event a leg that took no version is `null`.
 *
 *     [["VERSION","CHAIN",["AVAILABLE","FROZEN","CHAIN"], …a second step…], …a leg each…]
 */
import type { CalculatedLeg } from '../domain/calculate.ts';
import { CHAIN_BYTES } from '../domain/chain.ts';
import type { SettlementEvent } from '../domain/event.ts';
import { parseUint63 } from '../domain/integers.ts';
import { legsOf, type Leg, type Step } from '../domain/legs.ts';

/** Writes the cell. None of its texts needs escaping, so it is put together as it is. */
export function encodeLegs(legs: readonly CalculatedLeg[]): string {
  return encodeVoidLegs(legs);
}

/** Writes the cell of a dismissed event, of which some legs may have taken no version. */
export function encodeVoidLegs(legs: readonly (CalculatedLeg | undefined)[]): string {
  let cell = '';
  for (const leg of legs) {
    cell += cell === '' ? '[' : ',';
    if (!leg) {
      cell += 'null';
      continue;
    }
    cell += `["${leg.versionBefore}","${leg.chainBefore.toString('base64url')}"`;
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
  return new LegsCell(event)
    .read(cell, (leg) => leg.steps)
    .map((leg, index) => {
      if (!leg) throw new LegsCell(event).wrong(`leg ${index} is missing`);
      return leg;
    });
}

/**
 * Reads the cell of a dismissed event: undefined for a leg that took no version, steps of kind `void` for the others.
 *
 * @throws Error naming the event if the cell does not fit it
 */
export function decodeVoidLegs(cell: string, event: SettlementEvent): (CalculatedLeg | undefined)[] {
  const nothing: Step = { kind: 'void', availableChange: 0n, frozenChange: 0n };
  return new LegsCell(event).read(cell, (leg) => leg.steps.map(() => nothing));
}

class LegsCell {
  readonly #event: SettlementEvent;

  constructor(event: SettlementEvent) {
    this.#event = event;
  }

  wrong(what: string): Error {
    const { kind, sequence } = this.#event;
    return new Error(`legs of ${kind} with sequence ${sequence} do not fit the event: ${what}`);
  }

  read(cell: string, stepsOf: (leg: Leg) => readonly Step[]): (CalculatedLeg | undefined)[] {
    const cells = JSON.parse(cell) as unknown;
    const legs = legsOf(this.#event);
    if (!Array.isArray(cells) || cells.length !== legs.length) throw this.wrong('another number of legs');
    return legs.map((leg, index) => this.#leg(cells[index], leg, index, stepsOf(leg)));
  }

  #leg(stored: unknown, leg: Leg, index: number, steps: readonly Step[]): CalculatedLeg | undefined {
    if (stored === null) return undefined;
    if (!Array.isArray(stored) || stored.length !== steps.length + 2)
      throw this.wrong(`leg ${index} has another number of steps`);
    const versionBefore = parseUint63(this.#text(stored[0], `the version of leg ${index}`), 'version');
    return {
      userId: leg.userId,
      assetId: leg.assetId,
      versionBefore,
      chainBefore: this.#chain(stored[1], `the chain before leg ${index}`),
      steps: steps.map((step, at) => {
        const after = stored[at + 2] as unknown;
        const name = `leg ${index} step ${at}`;
        if (!Array.isArray(after) || after.length !== 3) throw this.wrong(`${name} has no values`);
        return {
          kind: step.kind,
          version: versionBefore + BigInt(at) + 1n,
          availableChange: step.availableChange,
          frozenChange: step.frozenChange,
          availableAfter: parseUint63(this.#text(after[0], `available after ${name}`), 'available'),
          frozenAfter: parseUint63(this.#text(after[1], `frozen after ${name}`), 'frozen'),
          chain: this.#chain(after[2], `the chain after ${name}`),
        };
      }),
    };
  }

  #text(value: unknown, what: string): string {
    if (typeof value !== 'string') throw this.wrong(`${what} is missing`);
    return value;
  }

  #chain(value: unknown, what: string): Buffer {
    const bytes = Buffer.from(this.#text(value, what), 'base64url');
    if (bytes.length !== CHAIN_BYTES) throw this.wrong(`${what} has ${bytes.length} bytes`);
    return bytes;
  }
}
