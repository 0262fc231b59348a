/** What a classic stream's ingest keeps of balances, on a clock of the test's own. */
import { expect, test } from 'vitest';
import { balanceName, type BalanceKey } from '../../src/domain/balance.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import { ClassicBook } from '../../src/ingest/classic-book.ts';
import { ledger } from './events.ts';

const LIMITS = { balancesMax: 100, restMs: 1_000 };

/** A database in which every balance is at version 7, and a book over it. */
function bookOver() {
  const state = { nowMs: 0, reads: 0 };
  const book = new ClassicBook({
    limits: LIMITS,
    nowMs: () => state.nowMs,
    readBalances: (keys) => {
      state.reads += keys.length;
      return Promise.resolve(keys.map(() => ({ available: 50n, frozen: 0n, version: 7n })));
    },
  });
  return { state, book };
}

const keyOf = (user: number): BalanceKey => ({ userId: BigInt(user), assetId: 2 });

test('does not grow with those that are at rest, and reads them again', async () => {
  const { state, book } = bookOver();
  for (let user = 1; user <= 5_000; user += 1) {
    await book.read([keyOf(user)]);
    state.nowMs += 10;
  }
  // A second's worth of those that came last, and as many as may stay.
  expect(book.size).toBeLessThanOrEqual(LIMITS.balancesMax + 100);
  const { reads } = state;
  expect(await book.read([keyOf(1)])).toMatchObject([{ version: 7n }]);
  expect(state.reads).toBe(reads + 1);
});

test('keeps what has an event in flight for as long as it has, and a while after', async () => {
  const { state, book } = bookOver();
  const legs = legsOf(ledger(1, { userId: 1n, version: 7n, amount: 5n }));
  const touches = touchesOf(legs);
  await book.read(touches);
  book.accepted(legs);
  const pass = async (): Promise<void> => {
    for (let user = 10; user < 2_000; user += 1) {
      state.nowMs += 10;
      await book.read([keyOf(user)]);
    }
  };
  await pass();
  const name = balanceName(touches[0]!);
  expect(book.get(name)).toMatchObject({ available: 55n, version: 8n });
  book.settled(touches);
  state.nowMs += LIMITS.restMs / 2;
  for (let user = 3_000; user < 3_040; user += 1) await book.read([keyOf(user)]);
  expect(book.get(name)).toMatchObject({ version: 8n });
  await pass();
  expect(book.get(name)).toBeUndefined();
});
