/**
 * The engine's own books: an oracle file names every balance that a stream must lead to, and how many events of each
 * kind lead there. It is held in memory: one small record a balance.
 */
import { readFile } from 'node:fs/promises';
import { balanceName } from '../domain/balance.ts';
import { parseUint63 } from '../domain/integers.ts';
import { reasonOf } from '../logging/reason-of.ts';
import type { Beyond, Dismissed } from './dismissed.ts';
import { FINDINGS_MAX, type Finding } from './finding.ts';
import type { EndState } from './fingerprint.ts';
import { AuditError } from './run.ts';

/** The form of an oracle file. */
export interface OracleFile {
  /** By the words of the wire: DEPOSIT, WITHDRAW, WITHDRAWAL, LOCK, UNLOCK, TRADE; and by reason of rejection. */
  readonly counts: Readonly<Record<string, number>>;
  readonly balances: Iterable<{
    readonly user: string;
    readonly asset: number;
    readonly available: string;
    readonly frozen: string;
    readonly version: string;
  }>;
}

/** What was settled and rejected, to be held against the oracle's counts. */
export interface SettledCounts {
  readonly trade: number;
  readonly deposit: number;
  readonly withdraw: number;
  readonly lock: number;
  readonly unlock: number;
  readonly rejectedByReason: Readonly<Record<string, number>>;
}

interface Book {
  readonly available: bigint;
  readonly frozen: bigint;
  readonly version: bigint;
  seen: boolean;
}

/** An oracle that balances are held against, one by one. */
export class Oracle {
  readonly #balances = new Map<string, Book>();
  readonly #counts: Readonly<Record<string, number>>;
  /** Differences that dismissed events alone explain. */
  readonly explained: string[] = [];

  /** @throws {@link AuditError} naming what is wrong with the value */
  constructor(file: OracleFile) {
    try {
      this.#counts = countsOf(file.counts);
      for (const { user, asset, available, frozen, version } of file.balances) {
        if (!Number.isInteger(asset)) throw new Error(`asset ${asset} of user ${user} is no asset id`);
        const key = balanceName({ userId: parseUint63(user, 'user'), assetId: asset });
        if (this.#balances.has(key)) throw new Error(`balance ${key} is there twice`);
        this.#balances.set(key, {
          available: parseUint63(available, `available of ${key}`),
          frozen: parseUint63(frozen, `frozen of ${key}`),
          version: parseUint63(version, `version of ${key}`),
          seen: false,
        });
      }
    } catch (error) {
      throw new AuditError(`the oracle is not usable: ${reasonOf(error)}`, { cause: error });
    }
  }

  /**
   * Reads an oracle file.
   *
   * @throws {@link AuditError} if there is none, or none of this form
   */
  static async read(path: string): Promise<Oracle> {
    let value: unknown;
    try {
      value = JSON.parse(await readFile(path, 'utf8'));
    } catch (error) {
      throw new AuditError(`the oracle ${path} cannot be read: ${reasonOf(error)}`, { cause: error });
    }
    return new Oracle(value as OracleFile);
  }

  /** Holds a balance against the engine's. */
  take(
    userId: bigint,
    assetId: number,
    state: EndState | undefined,
    dismissed: Dismissed,
    report: (finding: Finding) => void,
  ): void {
    const name = balanceName({ userId, assetId });
    const ids = { user: `${userId}`, asset: assetId };
    const book = this.#balances.get(name);
    const beyond = dismissed.beyond(name);
    if (!book) {
      if (state && beyond && isExplained(state, NOTHING, beyond)) {
        this.#explain(`balance ${name}: the engine has none; only dismissed events touched it`);
        return;
      }
      report({ kind: 'oracle-extra', detail: `balance ${name}: the engine has none`, ...ids });
      return;
    }
    book.seen = true;
    if (!state) return;
    const columns = (['available', 'frozen', 'version'] as const).filter(
      (column) => state[column] !== book[column],
    );
    if (columns.length === 0) return;
    const said = columns.map((column) => `${column} ${state[column]}, the engine has ${book[column]}`);
    if (beyond && isExplained(state, book, beyond)) {
      this.#explain(`balance ${name}: ${said.join('; ')}: by dismissed events`);
      return;
    }
    report({ kind: 'oracle-mismatch', detail: `balance ${name}: ${said.join('; ')}`, ...ids, columns });
  }

  #explain(what: string): void {
    if (this.explained.length < FINDINGS_MAX) this.explained.push(what);
  }

  /** When all balances were taken: those that are missing, and the counts. */
  finish(settled: SettledCounts, dismissed: Dismissed, report: (finding: Finding) => void): void {
    for (const [name, book] of this.#balances) {
      if (book.seen || (book.version === 0n && book.available === 0n && book.frozen === 0n)) continue;
      const beyond = dismissed.beyond(name);
      if (beyond && isExplained(NOTHING, book, beyond)) {
        this.#explain(
          `balance ${name}: the engine has version ${book.version}, here is no row: by dismissed events`,
        );
        continue;
      }
      const [user = '', asset] = name.split('/');
      const detail = `balance ${name}: the engine has version ${book.version}, here is no row`;
      report({ kind: 'oracle-missing', detail, user, asset: Number(asset) });
    }
    const {
      WITHDRAW = 0,
      WITHDRAWAL = 0,
      DEPOSIT = 0,
      LOCK = 0,
      UNLOCK = 0,
      TRADE = 0,
      ...other
    } = this.#counts;
    const compare = (name: string, expected: number, found: number, passed = 0): void => {
      if (expected === found) return;
      if (expected > found && expected <= found + passed) {
        this.#explain(`${name}: ${found} here, the engine counts ${expected}: ${passed} dismissed`);
        return;
      }
      const hint = found > expected ? ': is its book of an earlier moment?' : '';
      report({
        kind: 'oracle-count',
        detail: `${name}: ${found} here, the engine counts ${expected}${hint}`,
      });
    };
    compare('DEPOSIT', DEPOSIT, settled.deposit, dismissed.countOf('deposit'));
    compare('WITHDRAW', WITHDRAW + WITHDRAWAL, settled.withdraw, dismissed.countOf('withdraw'));
    compare('LOCK', LOCK, settled.lock, dismissed.countOf('lock'));
    compare('UNLOCK', UNLOCK, settled.unlock, dismissed.countOf('unlock'));
    compare('TRADE', TRADE, settled.trade, dismissed.countOf('trade'));
    for (const [reason, count] of Object.entries(other))
      compare(`rejected: ${reason}`, count, settled.rejectedByReason[reason] ?? 0);
  }
}

/** A balance that does not stand there. */
const NOTHING = { available: 0n, frozen: 0n, version: 0n };

type Values = Pick<Book, 'available' | 'frozen' | 'version'>;

/** True if the engine's balance is ours and what dismissed events changed of it there, no more and no less. */
function isExplained(state: Values, book: Values, beyond: Beyond): boolean {
  return (
    book.available === state.available + beyond.available &&
    book.frozen === state.frozen + beyond.frozen &&
    book.version >= state.version &&
    book.version <= state.version + beyond.versions
  );
}

function countsOf(counts: unknown): Readonly<Record<string, number>> {
  if (typeof counts !== 'object' || counts === null) throw new Error('it has no counts');
  const wrong = Object.entries(counts).find(([, count]) => !Number.isSafeInteger(count));
  if (wrong) throw new Error(`count ${wrong[0]} is no number`);
  return counts as Record<string, number>;
}
