/**
 * Balances, read from end to end, each row checked by itself: no cell missing, none written at another time than its
 * version (I3), nothing below zero.
 */
import type { types } from 'cassandra-driver';
import { balanceName } from '../domain/balance.ts';
import { Cells } from './cells.ts';
import type { Finding } from './finding.ts';
import type { EndState } from './fingerprint.ts';
import type { Ring } from './ring.ts';

const CELLS = new Cells(
  'user_balances',
  ['user_id', 'asset_id'],
  'available, frozen, version, updated_at, last_sequence, chain',
);

/** A balance's row. */
export interface BalanceRow {
  readonly userId: bigint;
  readonly assetId: number;
  readonly findings: readonly Finding[];
  /** Undefined where a cell is missing. */
  readonly state: EndState | undefined;
}

/** Reads all balances. */
export async function readBalances(ring: Ring, onBalance: (row: BalanceRow) => void): Promise<void> {
  await ring.scan(CELLS.select, 'user_id', () => ({
    row(row) {
      onBalance(balanceRow(row));
    },
  }));
}

function balanceRow(row: types.Row): BalanceRow {
  const userId = row['user_id'] as bigint;
  const assetId = row['asset_id'] as number;
  const version = row['version'] as bigint | null;
  const ids = { user: `${userId}`, asset: assetId, ...(version === null ? {} : { version: `${version}` }) };
  const place = `balance ${balanceName({ userId, assetId })}`;
  const { missing, findings } = CELLS.faults(row, version, place, ids);
  if (missing.length > 0) return { userId, assetId, findings, state: undefined };
  const state: EndState = {
    userId,
    assetId,
    version: version ?? 0n,
    available: row['available'] as bigint,
    frozen: row['frozen'] as bigint,
    chain: row['chain'] as Buffer,
    lastSequence: row['last_sequence'] as bigint,
    timeMs: (row['updated_at'] as Date).getTime(),
  };
  const negative = (['available', 'frozen', 'version'] as const).filter((column) => state[column] < 0n);
  if (negative.length === 0) return { userId, assetId, findings, state };
  const detail = `${place}: ${negative.join(', ')} below zero`;
  const finding: Finding = {
    kind: 'negative-value',
    detail,
    table: 'user_balances',
    ...ids,
    columns: negative,
  };
  return { userId, assetId, findings: [...findings, finding], state };
}
