/**
 * Rows of `user_balances`: read with the write time of every cell, written USING TIMESTAMP = version (I3), so that a
 * late or repeated write can never move a balance back.
 */
import type { types } from 'cassandra-driver';
import type { BalanceKey } from '../domain/balance.ts';
import { genesisChain } from '../domain/chain.ts';
import type { BalanceWrite, StoredBalance } from '../settlement/port.ts';
import type { Statement } from './event-rows.ts';

const VALUE_COLUMNS = ['available', 'frozen', 'version', 'last_sequence', 'chain'] as const;

/** Column list of a balance with the write times of its cells. */
export const BALANCE_COLUMN_LIST = `user_id, asset_id, ${VALUE_COLUMNS.join(', ')}, ${VALUE_COLUMNS.map(
  (column) => `WRITETIME(${column}) AS ${column}_written`,
).join(', ')}`;

/** Reads several balances of one user. */
export const SELECT_BALANCES = `SELECT ${BALANCE_COLUMN_LIST} FROM user_balances WHERE user_id = ? AND asset_id IN ?`;

const INSERT_BALANCE =
  'INSERT INTO user_balances (user_id, asset_id, available, frozen, version, updated_at, last_sequence, chain) ' +
  'VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?';

/**
 * Size of one balance in a batch as the server counts it against its limit, bytes: values, and of each cell its times.
 * 246 on Cassandra 5.0.8, whatever the values.
 */
export const BALANCE_BYTES_MAX = 256;

/** The statement that writes a balance at a version. */
export function balanceStatement({ userId, assetId, balance, timeMs }: BalanceWrite): Statement {
  return {
    query: INSERT_BALANCE,
    params: [
      userId,
      assetId,
      balance.available,
      balance.frozen,
      balance.version,
      new Date(timeMs),
      balance.lastSequence,
      balance.chain,
      balance.version,
    ],
  };
}

/** A balance that has no row: version 0 with zeros and the genesis chain. */
export function missingBalance(key: BalanceKey): StoredBalance {
  return {
    userId: key.userId,
    assetId: key.assetId,
    available: 0n,
    frozen: 0n,
    version: 0n,
    lastSequence: 0n,
    chain: genesisChain(key),
    writeTimeNormal: true,
  };
}

/** A row as a balance. A row that lacks a value was not written by us: its write time counts as abnormal. */
export function balanceOf(row: types.Row): StoredBalance {
  const key = { userId: row['user_id'] as bigint, assetId: row['asset_id'] as number };
  const version = row['version'] as bigint | null;
  const normal = VALUE_COLUMNS.every(
    (column) => row[column] !== null && (row[`${column}_written`] as bigint | null) === version,
  );
  return {
    ...key,
    available: (row['available'] as bigint | null) ?? 0n,
    frozen: (row['frozen'] as bigint | null) ?? 0n,
    version: version ?? 0n,
    lastSequence: (row['last_sequence'] as bigint | null) ?? 0n,
    chain: (row['chain'] as Buffer | null) ?? genesisChain(key),
    writeTimeNormal: normal,
  };
}
