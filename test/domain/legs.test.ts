/**
 * What an event does to balances, against the design's table of legs.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { legsOf, touchesOf, type Leg } from '../../src/domain/legs.ts';
import type { LedgerKind } from '../../src/domain/event.ts';
import { anyEvent, anyTradeEvent, ledgerEvent, trade } from './events.ts';

/** A leg as the design's tables state one: balance, version, and available and frozen of each step. */
function stated(leg: Leg): string {
  const steps = leg.steps.map((step) => `${step.kind} ${step.availableChange} ${step.frozenChange}`);
  return `${leg.userId}/${leg.assetId}@${leg.expectedVersion}: ${steps.join(', ')}`;
}

describe('the legs of a trade', () => {
  const versions = {
    buyerQuoteVersion: 5n,
    buyerBaseVersion: 6n,
    sellerBaseVersion: 7n,
    sellerQuoteVersion: 8n,
  };

  it('are buyer quote, buyer base, seller base and seller quote, one step each', () => {
    expect(legsOf(trade(1n, versions)).map(stated)).toEqual([
      '1001/2@5: spend 0 -12',
      '1001/1@6: receive 4 0',
      '1002/1@7: spend 0 -4',
      '1002/2@8: receive 12 0',
    ]);
  });

  it('take two steps, spend and then refund, where something is refunded', () => {
    const [buyerQuote, , sellerBase] = legsOf(trade(1n, { ...versions, buyerRefund: 9n, sellerRefund: 2n }));
    expect(stated(buyerQuote!)).toBe('1001/2@5: spend 0 -12, refund 9 -9');
    expect(stated(sellerBase!)).toBe('1002/1@7: spend 0 -4, refund 2 -2');
  });

  it('take nothing and make nothing: per asset, all changes add up to zero', () => {
    fc.assert(
      fc.property(anyTradeEvent, (event) => {
        const sums = new Map<number, bigint>();
        for (const leg of legsOf(event))
          for (const step of leg.steps)
            sums.set(leg.assetId, (sums.get(leg.assetId) ?? 0n) + step.availableChange + step.frozenChange);
        expect([...sums.values()]).toEqual([0n, 0n]);
      }),
    );
  });

  it('chain on two balances in a self-trade, in the order of the legs', () => {
    const self = trade(1n, {
      ...versions,
      sellerUserId: 1001n,
      buyerRefund: 1n,
      sellerRefund: 1n,
      sellerBaseVersion: 7n,
      sellerQuoteVersion: 7n,
    });
    expect(touchesOf(legsOf(self))).toEqual([
      { userId: 1001n, assetId: 2, expectedVersion: 5n, afterVersion: 8n },
      { userId: 1001n, assetId: 1, expectedVersion: 6n, afterVersion: 9n },
    ]);
  });
});

describe('the leg of a ledger event', () => {
  it.each<[LedgerKind, string]>([
    ['deposit', '1001/2@3: deposit 10 0'],
    ['withdraw', '1001/2@3: withdraw -10 0'],
    ['lock', '1001/2@3: lock -10 10'],
    ['unlock', '1001/2@3: unlock 10 -10'],
  ])('is one step for a %s', (kind, expected) => {
    expect(legsOf(ledgerEvent(kind, 9n, 3n, 10n)).map(stated)).toEqual([expected]);
  });
});

describe('the touches', () => {
  it('name each balance once, with as many versions as its legs have steps', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const legs = legsOf(event);
        const touches = touchesOf(legs);
        const names = touches.map(({ userId, assetId }) => `${userId}/${assetId}`);
        expect(new Set(names).size).toBe(names.length);
        const steps = legs.reduce((sum, leg) => sum + leg.steps.length, 0);
        const versions = touches.reduce((sum, { expectedVersion, afterVersion }) => {
          return sum + afterVersion - expectedVersion;
        }, 0n);
        expect(versions).toBe(BigInt(steps));
      }),
    );
  });
});
