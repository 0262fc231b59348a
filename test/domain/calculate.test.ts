/**
 * The calculation: absolute values, step by step, with a chain that is computed here once more from its documented bytes;
 * and what cannot be, as a conflict that says how much was missing.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Balance } from '../../src/domain/balance.ts';
import { calculate, type Calculation } from '../../src/domain/calculate.ts';
import { genesisChain } from '../../src/domain/chain.ts';
import { contentDigest } from '../../src/domain/digest.ts';
import { entriesOf, entryBucket } from '../../src/domain/entries.ts';
import type { SettlementEvent } from '../../src/domain/event.ts';
import { INT64_MAX, isUint63 } from '../../src/domain/integers.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import { anyEvent, ledgerEvent, trade, untouched } from './events.ts';

/** Calculates upon balances that are at the stated versions with these values. */
function calculated(event: SettlementEvent, values: readonly Partial<Balance>[] = []): Calculation {
  const legs = legsOf(event);
  const touches = touchesOf(legs);
  const before = touches.map((touch, at) => ({
    ...untouched(touch),
    version: touch.expectedVersion,
    ...values[at],
  }));
  return calculate(event, contentDigest(event), legs, touches, before);
}

const int = (value: bigint, bytes: number): Buffer =>
  Buffer.from(
    BigInt.asUintN(bytes * 8, value)
      .toString(16)
      .padStart(bytes * 2, '0'),
    'hex',
  );
const sha256 = (...parts: Buffer[]): string =>
  createHash('sha256').update(Buffer.concat(parts)).digest('hex');

describe('the values after an event', () => {
  it('are absolute, and name the event as their last', () => {
    const result = calculated(trade(40n, { buyerRefund: 3n }), [
      { available: 1n, frozen: 20n, lastSequence: 7n },
      { available: 2n },
      { frozen: 4n },
      { available: INT64_MAX - 12n },
    ]);
    if (result.kind !== 'calculated') throw new Error(result.reason);
    expect(result.balances.map(({ available, frozen, version }) => [available, frozen, version])).toEqual([
      [4n, 5n, 2n],
      [6n, 0n, 1n],
      [0n, 0n, 1n],
      [INT64_MAX, 0n, 1n],
    ]);
    expect(new Set(result.balances.map(({ lastSequence }) => lastSequence))).toEqual(new Set([40n]));
  });

  it('of a self-trade build on each other', () => {
    const self = trade(5n, { sellerUserId: 1001n, sellerBaseVersion: 1n, sellerQuoteVersion: 1n });
    const result = calculated(self, [
      { available: 100n, frozen: 12n },
      { available: 50n, frozen: 4n },
    ]);
    if (result.kind !== 'calculated') throw new Error(result.reason);
    expect(result.balances.map(({ available, frozen, version }) => [available, frozen, version])).toEqual([
      [112n, 0n, 2n],
      [54n, 0n, 2n],
    ]);
    const [buyerQuote, , , sellerQuote] = result.legs;
    expect(sellerQuote!.versionBefore).toBe(1n);
    expect(sellerQuote!.chainBefore).toEqual(buyerQuote!.steps[0]!.chain);
  });

  it('are within 63 bits or a conflict, whatever the event; and become one entry a version', () => {
    const amount = fc.oneof(fc.bigInt(0n, INT64_MAX), fc.bigInt(INT64_MAX - 9n, INT64_MAX));
    const values = fc.array(fc.record({ available: amount, frozen: amount }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(anyEvent, values, (event, before) => {
        const result = calculated(event, before);
        if (result.kind === 'conflict') {
          expect(isUint63(result.wouldBe)).toBe(false);
          // These stand in the database, so they must fit it.
          expect([result.expected, result.found].every(isUint63)).toBe(true);
          // What is found is what the balance has, not what half of the event made of it.
          const { userId, assetId } = result.balance;
          const at = touchesOf(legsOf(event)).findIndex(
            (touch) => touch.userId === userId && touch.assetId === assetId,
          );
          expect(result.found).toBe(before[at]![result.field]);
          if (result.reason === 'negative-balance') expect(result.expected).toBeGreaterThan(result.found);
          return;
        }
        const touches = touchesOf(legsOf(event));
        for (const [at, balance] of result.balances.entries()) {
          expect(isUint63(balance.available) && isUint63(balance.frozen)).toBe(true);
          expect(balance.version).toBe(touches[at]!.afterVersion);
        }
        const entries = entriesOf('s', event, result.legs);
        for (const [at, touch] of touches.entries()) {
          const own = entries.filter(
            ({ userId, assetId }) => userId === touch.userId && assetId === touch.assetId,
          );
          const versions = own.map(({ version }) => version);
          expect(versions).toEqual(versions.map((_, step) => touch.expectedVersion + 1n + BigInt(step)));
          let { available, frozen } = before[at]!;
          for (const entry of own) {
            available += entry.availableChange;
            frozen += entry.frozenChange;
            expect([entry.availableAfter, entry.frozenAfter]).toEqual([available, frozen]);
          }
          const last = own.at(-1)!;
          const { chain, version } = result.balances[at]!;
          expect([last.chain, last.version]).toEqual([chain, version]);
        }
      }),
    );
  });
});

describe('what cannot be', () => {
  it('is a conflict that says how much would have had to be there, where a value would be negative', () => {
    expect(calculated(ledgerEvent('lock', 3n, 0n, 30n), [{ available: 10n }])).toEqual({
      kind: 'conflict',
      reason: 'negative-balance',
      balance: { userId: 1001n, assetId: 2 },
      field: 'available',
      expected: 30n,
      found: 10n,
      wouldBe: -20n,
    });
  });

  it('is a conflict that says how much would have fitted, where a value would leave 63 bits', () => {
    expect(calculated(ledgerEvent('deposit', 3n, 0n, INT64_MAX), [{ available: INT64_MAX }])).toEqual({
      kind: 'conflict',
      reason: 'overflow',
      balance: { userId: 1001n, assetId: 2 },
      field: 'available',
      expected: 0n,
      found: INT64_MAX,
      wouldBe: INT64_MAX * 2n,
    });
  });

  it('is found in the frozen part too, and in the second step of a leg', () => {
    const unlock = calculated(ledgerEvent('unlock', 3n, 0n, 5n), [{ frozen: 4n }]);
    expect(unlock).toMatchObject({ field: 'frozen', expected: 5n, found: 4n });
    const refund = calculated(trade(3n, { buyerRefund: 2n }), [{ frozen: 13n }, {}, { frozen: 4n }]);
    expect(refund).toMatchObject({ reason: 'negative-balance', field: 'frozen', expected: 14n, found: 13n });
  });
});

describe('the chain', () => {
  it('begins with the hash of the balance’s own key', () => {
    const tag = Buffer.from('settled/balance/1\n');
    for (const [userId, assetId] of [
      [0n, 0],
      [1001n, 2],
      [INT64_MAX, 2_147_483_647],
    ] as const)
      expect(genesisChain({ userId, assetId }).toString('hex')).toBe(
        sha256(tag, int(userId, 8), int(BigInt(assetId), 4)),
      );
  });

  it('goes on over each step’s documented bytes', () => {
    const event = trade(40n, { buyerRefund: 3n, buyerUserId: INT64_MAX });
    const result = calculated(event, [{ frozen: 20n }, {}, { frozen: 4n }, {}]);
    if (result.kind !== 'calculated') throw new Error(result.reason);
    for (const [leg, one] of result.legs.entries()) {
      let previous = one.chainBefore;
      for (const [step, { version, availableAfter, frozenAfter, chain }] of one.steps.entries()) {
        const entry = [
          contentDigest(event),
          Buffer.from([leg, step]),
          int(one.userId, 8),
          int(BigInt(one.assetId), 4),
          int(version, 8),
          int(availableAfter, 8),
          int(frozenAfter, 8),
        ];
        expect(chain.toString('hex')).toBe(sha256(previous, Buffer.from('settled/entry/1\n'), ...entry));
        previous = chain;
      }
    }
  });

  it('differs where anything that the engine stated, or any value, differs', () => {
    const chainOf = (event: SettlementEvent, available: bigint): string => {
      const result = calculated(event, [{ available }]);
      if (result.kind !== 'calculated') throw new Error(result.reason);
      return result.balances[0]!.chain.toString('hex');
    };
    const sound = ledgerEvent('deposit', 3n, 0n, 5n);
    const chains = [
      chainOf(sound, 0n),
      chainOf(sound, 1n),
      chainOf({ ...sound, amount: 6n }, 0n),
      chainOf({ ...sound, relatedId: 1n }, 0n),
      chainOf({ ...sound, timeMs: 1 }, 0n),
    ];
    expect(new Set(chains).size).toBe(chains.length);
    expect(chainOf({ ...sound, stamped: true, timeMs: 1 }, 0n)).toBe(
      chainOf({ ...sound, stamped: true, timeMs: 2 }, 0n),
    );
  });
});

describe('the entries', () => {
  it('stand ten thousand versions to a bucket', () => {
    expect([1n, 9_999n, 10_000n, 19_999n, 20_000n].map(entryBucket)).toEqual([0n, 0n, 1n, 1n, 2n]);
  });
});
