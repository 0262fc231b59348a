/**
 * What stands above the watermark: events whose entries may be still to come (I1a), and the balances that they touch.
 * They are few, at most what can be in flight anywhere (I7), so they are held and compared one by one, and the tallies
 * stay about what is settled and moves no more.
 */
import { balanceName, type BalanceKey } from '../domain/balance.ts';
import { genesisChain } from '../domain/chain.ts';
import type { LedgerEntry } from '../domain/entries.ts';
import type { Finding, FindingKind } from './finding.ts';
import type { EndState, LineState, LinkedEntry, StateBefore } from './fingerprint.ts';

/** Events above a watermark that are held; a stream has fewer in flight by default (20 000). */
export const IN_FLIGHT_EVENTS_MAX = 100_000;

/** A balance that events above the watermark touch. */
interface MovingAccount extends BalanceKey {
  /** What those events bring, by version. */
  readonly steps: Map<bigint, LinkedEntry>;
  /** The last settled entry. */
  end?: EndState;
  /** Its own row. */
  balance?: EndState;
}

/** Everything above the watermarks. */
export class InFlight {
  readonly #accounts = new Map<string, MovingAccount>();
  /** Events whose line is still to be seen. */
  readonly #lines = new Map<string, LineState>();
  events = 0;
  /** Entries that those events bring and that were not seen. */
  entriesToCome = 0;

  /** Takes an event row above the watermark. False where there are too many. */
  addEvent(line: LineState | undefined, entries: readonly LinkedEntry[]): boolean {
    this.events += 1;
    if (this.events > IN_FLIGHT_EVENTS_MAX) return false;
    if (line) this.#lines.set(`${line.stream}/${line.sequence}`, line);
    for (const linked of entries) {
      this.#account(linked.entry).steps.set(linked.entry.version, linked);
      this.entriesToCome += 1;
    }
    return true;
  }

  /** True where a balance is compared here, not by tally. */
  has(key: BalanceKey): boolean {
    return this.#accounts.has(balanceName(key));
  }

  /** Takes a balance's row. Only for balances that {@link has} names, or that are above the watermark themselves. */
  addBalance(balance: EndState): void {
    this.#account(balance).balance = balance;
  }

  /** Takes a balance's last settled entry. */
  addEnd(end: EndState): void {
    this.#account(end).end = end;
  }

  /** The step that an event in flight brings at an entry's version. */
  stepAt(entry: LedgerEntry): LinkedEntry | undefined {
    return this.#accounts.get(balanceName(entry))?.steps.get(entry.version);
  }

  /** A line above the watermark was seen. Returns the event that stands under its number. */
  takeLine(stream: string, sequence: bigint): LineState | undefined {
    const key = `${stream}/${sequence}`;
    const line = this.#lines.get(key);
    this.#lines.delete(key);
    return line;
  }

  /** Events whose line was not seen. */
  withoutLine(): IterableIterator<LineState> {
    return this.#lines.values();
  }

  /** Compares each balance with what leads to it. A balance that settles meanwhile may seem wrong: see `audit.ts`. */
  compare(): Finding[] {
    return [...this.#accounts.values()].flatMap((account) => {
      const finding = this.#compareAccount(account);
      return finding ? [finding] : [];
    });
  }

  #compareAccount(account: MovingAccount): Finding | undefined {
    const name = `balance ${balanceName(account)}`;
    const finding = (
      kind: FindingKind,
      version: bigint,
      detail: string,
      more?: Partial<Finding>,
    ): Finding => ({
      kind,
      detail: `${name} ${detail}`,
      table: 'user_balances',
      user: `${account.userId}`,
      asset: account.assetId,
      version: `${version}`,
      ...more,
    });
    let end: EndState = account.end ?? { ...account, ...BEGINNING, chain: genesisChain(account) };
    const steps = [...account.steps.values()].sort((a, b) => (a.entry.version < b.entry.version ? -1 : 1));
    for (const { entry, before } of steps) {
      if (!continues(before, end)) {
        const detail = `at version ${end.version} is not continued by ${entry.eventKind} ${entry.eventId} (sequence ${entry.sequence})`;
        const ids = { stream: entry.stream, sequence: `${entry.sequence}` };
        return finding('in-flight-broken', entry.version, detail, ids);
      }
      end = endOfEntry(entry);
    }
    const { balance } = account;
    if (!balance)
      return finding(
        'entries-without-balance',
        end.version,
        'has no row, though an event in flight touches it',
      );
    if (balance.version > end.version) {
      const detail = `is at version ${balance.version}, its events and entries end at ${end.version}`;
      return finding('balance-beyond-entries', balance.version, detail);
    }
    if (balance.version < end.version) {
      const detail = `is at version ${balance.version}, an event brought it to ${end.version}`;
      return finding('entries-beyond-balance', end.version, detail);
    }
    const columns = differingColumns(balance, end);
    if (columns.length === 0) return undefined;
    const detail = `differs from what its last event brought, version ${end.version}: ${columns.join(', ')}`;
    return finding('balance-mismatch', end.version, detail, { columns });
  }

  #account(key: BalanceKey): MovingAccount {
    const name = balanceName(key);
    let account = this.#accounts.get(name);
    if (!account) {
      account = { userId: key.userId, assetId: key.assetId, steps: new Map() };
      this.#accounts.set(name, account);
    }
    return account;
  }
}

/** Where every balance begins. */
const BEGINNING = { version: 0n, available: 0n, frozen: 0n, lastSequence: 0n, timeMs: 0 };

function continues(before: StateBefore, end: EndState): boolean {
  return (
    before.version === end.version &&
    before.available === end.available &&
    before.frozen === end.frozen &&
    before.chain.equals(end.chain)
  );
}

/** Where an entry leaves its balance. */
export function endOfEntry(entry: LedgerEntry): EndState {
  return {
    userId: entry.userId,
    assetId: entry.assetId,
    version: entry.version,
    available: entry.availableAfter,
    frozen: entry.frozenAfter,
    chain: entry.chain,
    lastSequence: entry.sequence,
    timeMs: entry.timeMs,
  };
}

/** Columns of `user_balances` in which a balance and its end differ, at the same version. */
export function differingColumns(balance: EndState, end: EndState): string[] {
  return [
    ...(balance.available === end.available ? [] : ['available']),
    ...(balance.frozen === end.frozen ? [] : ['frozen']),
    ...(balance.chain.equals(end.chain) ? [] : ['chain']),
    ...(balance.lastSequence === end.lastSequence ? [] : ['last_sequence']),
    ...(balance.timeMs === end.timeMs ? [] : ['updated_at']),
  ];
}
