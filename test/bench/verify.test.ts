/** The count by which contenders without all of the product's tables are verified: it finds whatever differs. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Market } from '../../bench/stream/market.ts';
import { verifyByCount } from '../../bench/verify.ts';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
const market = new Market({ users: 10, shape: 'uniform', seed: 1 });

beforeAll(async () => {
  database = await freshKeyspace();
  for (const _ of market.funding());
  const query =
    'INSERT INTO user_balances (user_id, asset_id, available, frozen, version) VALUES (?, ?, ?, ?, ?)';
  for (const { user, asset, available, frozen, version } of market.oracle().balances)
    await database.client.execute(
      query,
      [BigInt(user), asset, BigInt(available), BigInt(frozen), BigInt(version)],
      { prepare: true },
    );
});

afterAll(() => database.drop());

it('agrees where every balance and every row is there', async () => {
  expect(await verifyByCount(database.client, market, { entries: false })).toMatchObject({ ok: true });
});

it('names what is missing', async () => {
  expect(await verifyByCount(database.client, market, { entries: true })).toMatchObject({
    ok: false,
    detail: '0 entries, 40 were sent',
  });
  const ahead = new Market(market.options);
  for (const _ of ahead.funding());
  ahead.trade();
  const { ok, detail } = await verifyByCount(database.client, ahead, { entries: false });
  expect(ok).toBe(false);
  expect(detail).toMatch(/^balance 10\d\d\/[12] is .*; and 2 more$/);
});
