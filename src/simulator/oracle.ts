/**
 * What a stream must lead to: counts by kind, and every balance, in the form of the oracle files that stand beside the
 * recordings. Large oracles are written line by line, never as one string.
 */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Accounts, OracleBalance } from './accounts.ts';
import type { EventCounts } from './engine.ts';

/** The oracle file's value. `firstMismatch` is null: a simulated engine states versions that agree. */
export interface Oracle {
  readonly counts: Readonly<EventCounts>;
  readonly firstMismatch: null;
  /** Sorted by user (as numbers), then asset. */
  readonly balances: Iterable<OracleBalance>;
}

export function oracleOf(counts: EventCounts, accounts: Accounts): Oracle {
  return {
    counts: { ...counts },
    firstMismatch: null,
    balances: { [Symbol.iterator]: () => accounts.balances() },
  };
}

/** Writes an oracle file. */
export async function writeOracle(path: string, oracle: Oracle): Promise<void> {
  const file = createWriteStream(path);
  const ended = finished(file);
  // Attached at once, so that a path that cannot be written is never an unhandled rejection.
  ended.catch(() => undefined);
  file.write(`{\n"counts": ${JSON.stringify(oracle.counts)},\n"firstMismatch": null,\n"balances": [`);
  let separator = '\n';
  for (const balance of oracle.balances) {
    const room = file.write(separator + JSON.stringify(balance));
    separator = ',\n';
    if (!room) await Promise.race([once(file, 'drain'), ended]);
  }
  file.end('\n]\n}\n');
  await ended;
}
