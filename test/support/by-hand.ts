/** What a hand does to a balance, and how it is put right. */
import type { Client } from 'cassandra-driver';

/** A row of `user_balances`. */
export type BalanceRow = Readonly<Record<string, unknown>> & {
  readonly user_id: bigint;
  readonly asset_id: number;
};

const COLUMNS = [
  'user_id',
  'asset_id',
  'available',
  'frozen',
  'version',
  'updated_at',
  'last_sequence',
  'chain',
];

/** All balances as they are. */
export async function allBalances(client: Client): Promise<readonly BalanceRow[]> {
  const { rows } = await client.execute('SELECT * FROM user_balances', [], { prepare: true });
  return rows as unknown as BalanceRow[];
}

/** Writes a balance's row as we do: at its version. */
export async function writeBalance(client: Client, row: BalanceRow): Promise<void> {
  await client.execute(
    `INSERT INTO user_balances (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')}) USING TIMESTAMP ?`,
    [...COLUMNS.map((column) => row[column]), row['version']],
    { prepare: true },
  );
}

/** Writes a balance at the default clock, as nobody may. */
export async function changeByHand(client: Client, user: bigint, asset: number): Promise<void> {
  await client.execute(
    'UPDATE user_balances SET available = 1 WHERE user_id = ? AND asset_id = ?',
    [user, asset],
    { prepare: true },
  );
}

/**
 * Puts a balance back as it was before a hand changed it: only emptying the table takes the hand's timestamp away. Nobody may
 * settle meanwhile: what he commits would be gone.
 */
export async function putBack(
  client: Client,
  user: bigint,
  asset: number,
  before: readonly BalanceRow[],
): Promise<void> {
  const isDamaged = (row: BalanceRow): boolean => row['user_id'] === user && row['asset_id'] === asset;
  const others = (await allBalances(client)).filter((row) => !isDamaged(row));
  await client.execute('TRUNCATE user_balances', [], { prepare: false, readTimeout: 60_000 });
  for (const row of [...others, ...before.filter(isDamaged)]) await writeBalance(client, row);
}
