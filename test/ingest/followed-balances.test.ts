/** Versions of balances with events in flight (I1c). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SettlementEvent } from '../../src/domain/event.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import { FollowedBalances } from '../../src/ingest/followed-balances.ts';
import { ledger, stopOf, trade } from './events.ts';

const touches = (event: SettlementEvent) => touchesOf(legsOf(event));
const accept = (followed: FollowedBalances, event: SettlementEvent) => followed.accept(event, touches(event));

describe('followed balances', () => {
  test('name the predecessor of each balance that has an event in flight, in the order of the touches', () => {
    const followed = new FollowedBalances();
    expect(accept(followed, ledger(1))).toEqual([undefined]);
    expect(accept(followed, ledger(2, { version: 1n }))).toEqual([1n]);
    expect(accept(followed, ledger(3, { userId: 3n, currency: 1 }))).toEqual([undefined]);
    const next = trade(4, { buyerQuoteVersion: 2n, sellerBaseVersion: 1n });
    expect(accept(followed, next)).toEqual([2n, undefined, 3n, undefined]);
  });

  test('count the two steps of a leg with a refund, and the chained legs of a self-trade', () => {
    const followed = new FollowedBalances();
    accept(followed, trade(1, { buyerRefund: 3n }));
    expect(accept(followed, ledger(2, { version: 2n }))).toEqual([1n]);
    const self = trade(3, {
      buyerUserId: 9n,
      sellerUserId: 9n,
      sellerBaseVersion: 1n,
      sellerQuoteVersion: 1n,
    });
    expect(accept(followed, self)).toEqual([undefined, undefined]);
    expect(accept(followed, ledger(4, { userId: 9n, version: 2n }))).toEqual([3n]);
  });

  test('refuse an event that does not continue them, and take none of it in', async () => {
    const followed = new FollowedBalances();
    accept(followed, ledger(1));
    const before = followed.size;
    const stop = await stopOf(() => accept(followed, trade(2, { buyerQuoteVersion: 5n })));
    expect(stop).toMatchObject({
      reason: 'version-mismatch',
      sequence: '2',
      user: '1',
      asset: 2,
      expected: '1',
      stated: '5',
    });
    expect(followed.size).toBe(before);
    expect(accept(followed, trade(2, { buyerQuoteVersion: 1n }))).toEqual([
      1n,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('forget a balance when the last of its events in flight is settled', () => {
    const followed = new FollowedBalances();
    const events = [ledger(1), ledger(2, { version: 1n })];
    for (const event of events) accept(followed, event);
    followed.release(touches(events[0]!));
    expect(followed.size).toBe(1);
    followed.release(touches(events[1]!));
    expect(followed.size).toBe(0);
    // What it was at is now the database's business.
    expect(accept(followed, ledger(3, { version: 77n }))).toEqual([undefined]);
  });

  test('hold no more balances than the events in flight touch, however long the stream', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ user: fc.bigInt(1n, 5n), settle: fc.boolean() })), (steps) => {
        const followed = new FollowedBalances();
        const versions = new Map<bigint, bigint>();
        const inFlight: SettlementEvent[] = [];
        for (const [index, { user, settle }] of steps.entries()) {
          const version = versions.get(user) ?? 0n;
          const event = ledger(index + 1, { userId: user, version });
          accept(followed, event);
          versions.set(user, version + 1n);
          inFlight.push(event);
          if (settle) followed.release(touches(inFlight.shift()!));
          const users = new Set(inFlight.map((one) => (one.kind === 'trade' ? 0n : one.userId)));
          expect(followed.size).toBe(users.size);
        }
      }),
    );
  });
});
