/**
 * Rows of `user_balances`: read with the write time of every cell, written USING TIMESTAMP = version (I3), so that a
 * late or repeated write can never move a balance back.
 */
import type { types } from 'cassandra-driver';
import type { BalanceKey } from '../domain/balance.ts';
import { genesisChain } from '../domain/chain.ts';
import type { BalanceWrite, StoredBalance } from '../settlement/port.ts';
import { bigintCell, intCell, timeCell } from './cells.ts';
import type { Statement } from './event-rows.ts';

const VALUE_COLUMNS = ['available', 'frozen', 'version', 'last_sequence', 'chain'] as const;

/** Column list of a balance with the write times of its cells. */
export const BALANCE_COLUMN_LIST = `user_id, asset_id, ${VALUE_COLUMNS.join(', ')}, ${VALUE_COLUMNS.map(
  (column) => `WRITETIME(${column}) AS ${column}_written`,
).join(', ')}`;

/** Reads the balances of several users in several assets: all pairs of them. */
export const SELECT_BALANCES = `SELECT ${BALANCE_COLUMN_LIST} FROM user_balances WHERE user_id IN ? AND asset_id IN ?`;

/** Pairs that one read asks for at most: the server reads each by itself, and answers when it has the last. */
const PAIRS_PER_READ_MAX = 24;

/** Users and assets, all pairs of which one read asks for. */
export interface BalanceRead {
  readonly users: readonly bigint[];
  readonly assets: readonly number[];
}

/**
 * The fewest reads for these balances, with none that nobody asked for: users of whom the same assets are wanted are
 * read together. A read of its own for each user costs client and server about twice as much.
 */
export function balanceReads(keys: readonly BalanceKey[]): BalanceRead[] {
  const assetsOf = new Map<bigint, Set<number>>();
  for (const { userId, assetId } of keys) {
    const assets = assetsOf.get(userId);
    if (assets) assets.add(assetId);
    else assetsOf.set(userId, new Set([assetId]));
  }
  const open = new Map<string, { users: bigint[]; assets: number[] }>();
  const reads: BalanceRead[] = [];
  for (const [userId, wanted] of assetsOf) {
    const assets = [...wanted].sort((a, b) => a - b);
    const name = assets.join();
    let read = open.get(name);
    if (!read || (read.users.length + 1) * assets.length > PAIRS_PER_READ_MAX) {
      read = { users: [], assets };
      open.set(name, read);
      reads.push(read);
    }
    read.users.push(userId);
  }
  return reads;
}

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
  const version = bigintCell(balance.version);
  return {
    query: INSERT_BALANCE,
    params: [
      bigintCell(userId),
      intCell(assetId),
      bigintCell(balance.available),
      bigintCell(balance.frozen),
      version,
      timeCell(timeMs),
      bigintCell(balance.lastSequence),
      balance.chain,
      version,
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
