/**
 * Entries that may be wrong, side by side with what event rows say of the same versions: which is missing, which says
 * something else, where a chain breaks. What follows from a row that is reported already is not reported as well.
 */
import { balanceName } from '../domain/balance.ts';
import type { LedgerEntry } from '../domain/entries.ts';
import type { FindingKind } from './finding.ts';
import type { LinkedEntry } from './fingerprint.ts';
import { bringsEntry } from './late-entries.ts';
import type { Run } from './run.ts';

interface Version {
  found?: LinkedEntry;
  /** What event rows bring: one, in a sound database. */
  readonly expected: LinkedEntry[];
}

type Account = Map<bigint, Version>;

/** Columns of `ledger_entries` that an event row decides, but for the chain. */
const COLUMNS: Readonly<Record<string, (entry: LedgerEntry) => bigint | string | number>> = {
  stream: (entry) => entry.stream,
  sequence: (entry) => entry.sequence,
  event_kind: (entry) => entry.eventKind,
  event_id: (entry) => entry.eventId,
  step: (entry) => entry.step,
  available_change: (entry) => entry.availableChange,
  frozen_change: (entry) => entry.frozenChange,
  available: (entry) => entry.availableAfter,
  frozen: (entry) => entry.frozenAfter,
  time: (entry) => entry.timeMs,
};

/** Gathers and compares. */
export class SuspectEntries {
  readonly #run: Run;
  readonly #accounts = new Map<string, Account>();
  /** Balance and version of every entry that was reported. */
  readonly #reported = new Set<string>();

  constructor(run: Run) {
    this.#run = run;
  }

  addExpected(linked: LinkedEntry): void {
    this.#version(linked).expected.push(linked);
  }

  addFound(linked: LinkedEntry): void {
    this.#version(linked).found = linked;
  }

  /** Leaves out entries above the watermark whose event settled after events were read. */
  async dropLate(): Promise<void> {
    for (const account of this.#accounts.values())
      for (const [number, { found, expected }] of account) {
        if (!found || expected.length > 0) continue;
        if (this.#run.isSettled(found.entry.stream, found.entry.sequence)) continue;
        if (await bringsEntry(this.#run, found)) account.delete(number);
      }
  }

  /** Reports what disagrees. Returns "user/asset/version" of every entry concerned. */
  compare(): ReadonlySet<string> {
    for (const account of this.#accounts.values()) {
      const versions = [...account].sort(([a], [b]) => (a < b ? -1 : 1));
      for (const [number, version] of versions) this.#compareVersion(account, number, version);
    }
    return this.#reported;
  }

  #compareVersion(account: Account, number: bigint, { found, expected }: Version): void {
    const [one, other] = expected;
    if (one && other) {
      const second = `${other.entry.eventKind} ${other.entry.eventId}`;
      this.#report('version-twice', one, `two events brought it: ${named(one)} and ${second}`);
    } else if (!found && one) {
      if (this.#run.isSettled(one.entry.stream, one.entry.sequence) && !this.#isBroken(one))
        this.#report('entry-missing', one, `${named(one)} brought it, but it has no entry`);
    } else if (found && !one) this.#withoutEvent(account, number, found);
    else if (found && one) this.#differing(account, number, found, one);
  }

  #withoutEvent(account: Account, number: bigint, found: LinkedEntry): void {
    const { stream, sequence } = found.entry;
    // An event that is reported for itself says nothing that entries could be held against.
    if (this.#run.isTainted('event', stream, sequence)) return;
    this.#report('entry-without-event', found, `it names ${named(found)}, which does not bring it`);
    if (number > 1n && found.before.version !== number - 1n && !this.#known(account, number - 1n))
      this.#report('version-gap', found, `version ${number - 1n} before it is missing`);
  }

  #differing(account: Account, number: bigint, found: LinkedEntry, one: LinkedEntry): void {
    const columns = Object.entries(COLUMNS)
      .filter(([, value]) => value(found.entry) !== value(one.entry))
      .map(([name]) => name);
    if (columns.length > 0)
      this.#report('entry-mismatch', found, `${columns.join(', ')} not as ${named(one)} brought it`, columns);
    else if (!found.entry.chain.equals(one.entry.chain))
      this.#report('chain-broken', found, `its chain value is not that of ${named(one)}`, ['chain']);
    else if (found.before.version !== one.before.version) {
      if (!this.#known(account, number - 1n) && !this.#isBroken(found))
        this.#report('version-gap', found, `version ${number - 1n} before it is missing`);
    } else if (!this.#reported.has(this.#key(found, number - 1n))) {
      if (!found.before.chain.equals(one.before.chain))
        this.#report(
          'chain-broken',
          found,
          `it builds on another chain value than version ${number - 1n} has`,
        );
      else if (found.before.available !== one.before.available || found.before.frozen !== one.before.frozen)
        this.#report('entry-mismatch', found, `its values do not continue those of version ${number - 1n}`);
    }
  }

  /** True where a version's absence is reported, or is no damage. */
  #known(account: Account, number: bigint): boolean {
    const version = account.get(number);
    return version !== undefined && (version.found !== undefined || version.expected.length > 0);
  }

  /** True where the balance has rows that lack cells: they are reported for themselves. */
  #isBroken({ entry }: LinkedEntry): boolean {
    return this.#run.isTainted('entry', entry.userId, entry.assetId);
  }

  #report(kind: FindingKind, linked: LinkedEntry, what: string, columns?: readonly string[]): void {
    const { entry } = linked;
    this.#reported.add(this.#key(linked, entry.version));
    this.#run.report({
      kind,
      detail: `entry ${balanceName(entry)} version ${entry.version}: ${what}`,
      table: 'ledger_entries',
      stream: entry.stream,
      sequence: `${entry.sequence}`,
      ...(entry.eventKind === 'trade' ? { trade: `${entry.eventId}` } : {}),
      user: `${entry.userId}`,
      asset: entry.assetId,
      version: `${entry.version}`,
      ...(columns ? { columns } : {}),
    });
  }

  #key({ entry }: LinkedEntry, version: bigint): string {
    return `${balanceName(entry)}/${version}`;
  }

  #version({ entry }: LinkedEntry): Version {
    const name = balanceName(entry);
    let account = this.#accounts.get(name);
    if (!account) {
      account = new Map();
      this.#accounts.set(name, account);
    }
    let version = account.get(entry.version);
    if (!version) {
      version = { expected: [] };
      account.set(entry.version, version);
    }
    return version;
  }
}

function named({ entry }: LinkedEntry): string {
  const { eventKind, sequence, stream } = entry;
  const id = eventKind === 'trade' ? `trade ${entry.eventId}` : eventKind;
  return `${id} (stream ${stream}, sequence ${sequence})`;
}
