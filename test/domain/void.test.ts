/** The void legs of any event: they take versions and change nothing, alone or in part, and the chain goes on. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Balance } from '../../src/domain/balance.ts';
import { nextChain, voidChain, type ChainedEntry } from '../../src/domain/chain.ts';
import { contentDigest } from '../../src/domain/digest.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import type { VoidPlace } from '../../src/domain/void-decision.ts';
import { calculateVoid, voidTouchesOf } from '../../src/domain/void.ts';
import { decodeVoidLegs, encodeVoidLegs } from '../../src/ledger/legs-cell.ts';
import { anyEvent, trade } from './events.ts';

interface Vector {
  readonly name: string;
  readonly previous: string;
  readonly digest: string;
  readonly leg: number;
  readonly step: number;
  readonly user: string;
  readonly asset: number;
  readonly version: string;
  readonly available: string;
  readonly frozen: string;
  readonly sha256: string;
}

const { voids } = JSON.parse(
  readFileSync(new URL('../data/chain-vectors.json', import.meta.url), 'utf8'),
) as { voids: readonly Vector[] };

const entryOf = (vector: Vector): ChainedEntry => ({
  userId: BigInt(vector.user),
  assetId: vector.asset,
  digest: Buffer.from(vector.digest, 'hex'),
  leg: vector.leg,
  step: vector.step,
  version: BigInt(vector.version),
  availableAfter: BigInt(vector.available),
  frozenAfter: BigInt(vector.frozen),
});

describe('the chain of a void', () => {
  // Computed apart from this code, by Python's struct and hashlib.
  it.each(voids)('agrees with the vector: $name', (vector) => {
    const previous = Buffer.from(vector.previous, 'hex');
    expect(voidChain(previous, entryOf(vector)).toString('hex')).toBe(vector.sha256);
    expect(nextChain(previous, entryOf(vector)).toString('hex')).not.toBe(vector.sha256);
  });
});

const PLACES: readonly VoidPlace[] = ['free', 'taken', 'gap', 'by-hand', 'row-taken'];

describe('void legs', () => {
  it('take the versions of the free balances, change no value, and are the same each time', () => {
    const amount = fc.bigInt(0n, 2n ** 63n - 1n);
    fc.assert(
      fc.property(
        anyEvent,
        fc.array(fc.constantFrom(...PLACES), { minLength: 4, maxLength: 4 }),
        fc.array(fc.tuple(amount, amount, fc.uint8Array({ minLength: 32, maxLength: 32 })), {
          minLength: 4,
          maxLength: 4,
        }),
        (event, places, values) => {
          const legs = legsOf(event);
          const touches = touchesOf(legs);
          const before = touches.map((touch, at): Balance => {
            const [available, frozen, chain] = values[at]!;
            const { expectedVersion: version } = touch;
            return { available, frozen, version, lastSequence: 0n, chain: Buffer.from(chain) };
          });
          const digest = contentDigest(event);
          const result = calculateVoid(event.sequence, digest, legs, touches, places, before);
          expect(calculateVoid(event.sequence, digest, legs, touches, places, before)).toEqual(result);
          for (const [at, touch] of touches.entries()) {
            const after = result.balances[at];
            if (places[at] !== 'free') {
              expect(after).toBeUndefined();
              continue;
            }
            const { available, frozen } = before[at]!;
            expect(after).toMatchObject({
              available,
              frozen,
              version: touch.afterVersion,
              lastSequence: event.sequence,
            });
            expect(after?.chain.equals(before[at]!.chain)).toBe(false);
          }
          const free = touches.filter((_, at) => places[at] === 'free');
          expect(voidTouchesOf(result.legs)).toEqual(free);
          for (const [at, leg] of result.legs.entries())
            if (leg) expect(leg.steps).toHaveLength(legs[at]!.steps.length);
          expect(decodeVoidLegs(encodeVoidLegs(result.legs), event)).toEqual(result.legs);
        },
      ),
    );
  });

  it('chain where an event touches one balance twice', () => {
    const event = trade(5n, { sellerUserId: 1001n, sellerBaseVersion: 1n, sellerQuoteVersion: 1n });
    const legs = legsOf(event);
    const touches = touchesOf(legs);
    const before = touches.map((): Balance => ({
      available: 3n,
      frozen: 4n,
      version: 0n,
      lastSequence: 0n,
      chain: Buffer.alloc(32, 7),
    }));
    const digest = contentDigest(event);
    const { legs: voided, balances } = calculateVoid(5n, digest, legs, touches, ['free', 'taken'], before);
    expect(voided.map((leg) => leg?.versionBefore)).toEqual([0n, undefined, undefined, 1n]);
    expect(voided[3]?.chainBefore).toEqual(voided[0]?.steps[0]?.chain);
    expect(balances).toMatchObject([{ version: 2n, available: 3n, frozen: 4n }, undefined]);
  });

  it('are refused upon a balance that is said to be free and is not', () => {
    const event = trade(5n);
    const legs = legsOf(event);
    const touches = touchesOf(legs);
    const before = touches.map((): Balance => ({
      available: 0n,
      frozen: 0n,
      version: 1n,
      lastSequence: 0n,
      chain: Buffer.alloc(32),
    }));
    expect(() =>
      calculateVoid(
        5n,
        contentDigest(event),
        legs,
        touches,
        touches.map(() => 'free'),
        before,
      ),
    ).toThrow(/not at its expected version/);
  });
});
