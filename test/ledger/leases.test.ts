/**
 * The lease's row on the real database: one taker wins, a renewal between look and claim keeps the lease where it is,
 * and whoever lost it changes nothing any more.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  claimLease,
  LeaseNumbersError,
  readLease,
  readLeaseRow,
  releaseLease,
  renewLease,
  takeLease,
} from '../../src/ledger/leases.ts';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await freshKeyspace();
});
afterAll(() => database.drop());

const claimOf = (holderId: string) => ({ holder: `host ${holderId}`, holderId, durationMs: 5_000 });

describe('a lease', () => {
  test('is taken by one of many who saw it free, first and again', async () => {
    const { client } = database;
    for (const lease of [1n, 2n, 3n]) {
      const seen = await readLeaseRow(client, 'free');
      const takers = Array.from({ length: 8 }, (_, index) => `taker-${lease}-${index}`);
      const taken = await Promise.all(takers.map((id) => claimLease(client, 'free', seen, claimOf(id))));
      expect(taken.filter((one) => one !== undefined)).toEqual([lease]);
      const holderId = takers[taken.indexOf(lease)]!;
      expect(await readLeaseRow(client, 'free')).toEqual({ lease, ...claimOf(holderId), renewal: 0n });
      await releaseLease(client, 'free', { lease, holderId });
      expect(await readLeaseRow(client, 'free')).toMatchObject({ lease, holderId: undefined });
    }
  });

  test('that was renewed after the look is not taken', async () => {
    const { client } = database;
    const lease = (await claimLease(client, 'renewed', await readLeaseRow(client, 'renewed'), claimOf('a')))!;
    const seen = await readLeaseRow(client, 'renewed');
    expect(await renewLease(client, 'renewed', { lease, holderId: 'a', renewal: 1n })).toBe(true);
    expect(await claimLease(client, 'renewed', seen, claimOf('b'))).toBeUndefined();
    const again = await readLeaseRow(client, 'renewed');
    expect(again).toMatchObject({ lease: 1n, holderId: 'a', renewal: 1n });
    expect(await claimLease(client, 'renewed', again, claimOf('b'))).toBe(2n);
  });

  test('that another took is neither renewed nor given back by its former holder', async () => {
    const { client } = database;
    await claimLease(client, 'lost', await readLeaseRow(client, 'lost'), claimOf('a'));
    await claimLease(client, 'lost', await readLeaseRow(client, 'lost'), claimOf('b'));
    expect(await renewLease(client, 'lost', { lease: 1n, holderId: 'a', renewal: 1n })).toBe(false);
    await releaseLease(client, 'lost', { lease: 1n, holderId: 'a' });
    expect(await readLeaseRow(client, 'lost')).toMatchObject({ lease: 2n, holderId: 'b', renewal: 0n });
  });

  test('of before leases ran out is free', async () => {
    const { client } = database;
    await client.execute("INSERT INTO leases (stream, lease, holder) VALUES ('old', 6, 'x') IF NOT EXISTS");
    const seen = await readLeaseRow(client, 'old');
    expect(seen).toMatchObject({ lease: 6n, holderId: undefined });
    expect(await claimLease(client, 'old', seen, claimOf('a'))).toBe(7n);
  });

  test('taken by force is lost to its holder, and free for the next', async () => {
    const { client } = database;
    await claimLease(client, 'forced', await readLeaseRow(client, 'forced'), claimOf('a'));
    expect(await takeLease(client, 'forced', 'a person')).toBe(2n);
    expect(await renewLease(client, 'forced', { lease: 1n, holderId: 'a', renewal: 1n })).toBe(false);
    expect(await claimLease(client, 'forced', await readLeaseRow(client, 'forced'), claimOf('b'))).toBe(3n);
    expect(await readLease(client, 'forced')).toBe(3n);
  });

  test('above a number that others have heard of is taken by the same rules, with a larger number', async () => {
    const { client } = database;
    const above = (holderId: string, number: bigint) => ({ ...claimOf(holderId), above: number });
    const none = await readLeaseRow(client, 'above');
    const taken = await Promise.all(
      ['a', 'b', 'c'].map((id, index) => claimLease(client, 'above', none, above(id, BigInt(6 + index)))),
    );
    expect(taken.filter((one) => one !== undefined)).toHaveLength(1);
    const held = await readLeaseRow(client, 'above');
    expect(held.lease).toBeGreaterThan(6n);
    // Renewed after the look: whatever number was heard of, it is not taken.
    const { lease, holderId } = held;
    await renewLease(client, 'above', { lease, holderId: holderId!, renewal: 1n });
    expect(await claimLease(client, 'above', held, above('d', 100n))).toBeUndefined();
    const again = await readLeaseRow(client, 'above');
    expect(await claimLease(client, 'above', again, above('d', 100n))).toBe(101n);
    expect(await renewLease(client, 'above', { lease, holderId: holderId!, renewal: 2n })).toBe(false);
    // A lower one than stands there changes nothing.
    expect(await claimLease(client, 'above', await readLeaseRow(client, 'above'), above('e', 3n))).toBe(102n);
    await expect(
      claimLease(client, 'above', await readLeaseRow(client, 'above'), above('f', 2n ** 63n - 1n)),
    ).rejects.toThrow(LeaseNumbersError);
  });
});
