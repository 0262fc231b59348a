/**
 * Balances that may differ from their last entry, side by side with it. A balance whose last entry is reported already
 * is not reported as well.
 */
import { balanceName, type BalanceKey } from '../domain/balance.ts';
import type { EventKind } from '../domain/event.ts';
import { sequenceBucket } from '../ledger/event-rows.ts';
import type { EndState } from './fingerprint.ts';
import type { Finding, FindingKind } from './finding.ts';
import { differingColumns, endOfEntry } from './in-flight.ts';
import { entriesBrought } from './late-entries.ts';
import type { Run } from './run.ts';

const LINE = 'SELECT kind, id FROM stream_log WHERE stream = ? AND bucket = ? AND sequence = ?';

interface Account {
  balance?: EndState;
  end?: EndState;
}

/** Gathers and compares. */
export class SuspectEnds {
  readonly #run: Run;
  readonly #accounts = new Map<string, Account>();

  constructor(run: Run) {
    this.#run = run;
  }

  addBalance(balance: EndState): void {
    this.#account(balance).balance = balance;
  }

  /** Where versions have a gap there are several ends: the highest counts, the gap is reported elsewhere. */
  addEnd(end: EndState): void {
    const account = this.#account(end);
    if (!account.end || account.end.version < end.version) account.end = end;
  }

  /**
   * Leaves out balances that a stream has moved since the audit began: their last settled entry is not their last.
   *
   * @returns how many
   */
  async dropMoving(): Promise<number> {
    let dropped = 0;
    for (const [name, { balance, end }] of this.#accounts) {
      if (!balance || balance.version <= (end?.version ?? 0n)) continue;
      if (!(await isMoving(this.#run, balance))) continue;
      this.#accounts.delete(name);
      dropped += 1;
    }
    return dropped;
  }

  /** @param reported "user/asset/version" of entries that are reported already */
  compare(reported: ReadonlySet<string>): void {
    for (const [name, { balance, end }] of this.#accounts) {
      const known = [balance, end].some(
        (state) =>
          state &&
          (reported.has(`${name}/${state.version}`) ||
            this.#run.isTainted('balance', state.userId, state.assetId)),
      );
      if (known) continue;
      if (balance && end) this.#compareBoth(name, balance, end);
      else if (balance && balance.version !== 0n)
        this.#report('balance-without-entries', balance, `balance ${name} has no ledger entry`);
      else if (end)
        this.#report(
          'entries-without-balance',
          end,
          `balance ${name} has entries up to this version, but no row`,
        );
    }
  }

  #compareBoth(name: string, balance: EndState, end: EndState): void {
    if (balance.version === end.version) {
      const columns = differingColumns(balance, end);
      const detail = `balance ${name} differs from its last entry, version ${end.version}: ${columns.join(', ')}`;
      if (columns.length > 0) this.#report('balance-mismatch', balance, detail, { columns });
    } else if (balance.version > end.version) {
      const detail = `balance ${name} is at version ${balance.version}, its last entry is ${end.version}`;
      this.#report('balance-beyond-entries', balance, detail);
    } else {
      const detail = `balance ${name} is at version ${balance.version}, its last entry is ${end.version}`;
      this.#report('entries-beyond-balance', end, detail);
    }
  }

  #report(kind: FindingKind, state: EndState, detail: string, more: Partial<Finding> = {}): void {
    const ids = { user: `${state.userId}`, asset: state.assetId, version: `${state.version}` };
    this.#run.report({ kind, detail, table: 'user_balances', ...ids, ...more });
  }

  #account(key: BalanceKey): Account {
    const name = balanceName(key);
    let account = this.#accounts.get(name);
    if (!account) {
      account = {};
      this.#accounts.set(name, account);
    }
    return account;
  }
}

/** True where an event above the watermark of its stream brought the balance to just where it is. */
async function isMoving(run: Run, balance: EndState): Promise<boolean> {
  const { userId, assetId, version, lastSequence } = balance;
  for (const { stream, watermark } of run.streams.values()) {
    if (lastSequence <= watermark) continue;
    const line = await run.ring.first(LINE, [stream, sequenceBucket(lastSequence), lastSequence]);
    const [eventKind, eventId] = [line?.['kind'] as EventKind | null, line?.['id'] as bigint | null];
    if (!eventKind || eventId === null) continue;
    const brought = await entriesBrought(run, { stream, sequence: lastSequence, eventKind, eventId });
    const own = brought.find(
      ({ entry }) => entry.userId === userId && entry.assetId === assetId && entry.version === version,
    );
    if (own && differingColumns(balance, endOfEntry(own.entry)).length === 0) return true;
  }
  return false;
}
