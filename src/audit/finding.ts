/**
 * Findings: what an audit has to say against a database. Each names its kind by a stable word and carries the ids that a
 * person needs to look at the rows. The list is bounded, the count is not: a database that is wrong throughout must not
 * need the memory of the database.
 */

/** What each kind of finding means. The words are stable: programs may rely on them. */
export const FINDING_KINDS = {
  'balance-mismatch': 'a balance differs from its last ledger entry',
  'balance-without-entries': 'a balance stands there, but no entry of it',
  'balance-beyond-entries': "a balance's version is above that of its last entry",
  'entries-without-balance': 'entries of a balance stand there, but no balance',
  'entries-beyond-balance': "an entry's version is above that of its balance",
  'entry-missing': 'an event changed a balance, but that version has no entry',
  'entry-without-event': 'an entry names an event that does not stand there, or does not touch this balance',
  'entry-mismatch':
    "an entry says something else than its event's row, or does not follow from the entry before",
  'chain-broken': 'a chain value does not follow from the one before and its entry',
  'version-gap': 'versions of a balance are not contiguous from 1',
  'version-twice': 'two events brought the same version of a balance',
  'event-digest': "an event's row does not say what was received under its digest",
  'event-legs': "an event's legs are not those that follow from it",
  'line-missing': 'a sequence up to the watermark has no line in the stream log',
  'row-without-line': 'an event stands there without its line in the stream log',
  'line-without-row': 'a line up to the watermark stands there without its event',
  'line-mismatch': 'a line of the stream log names another event than the row of its sequence',
  'line-lease': 'the lease of a line is below that of an earlier line, or above the newest',
  'sequence-twice': 'two events stand under one sequence',
  'trade-id-twice': 'two trades stand under one id',
  'asset-total': 'the balances of an asset do not sum to its deposits less its withdrawals',
  'write-time': 'a cell was written at another time than its version or sequence: by hand',
  cell: 'a cell is missing, or holds what no row of ours holds',
  'negative-value': 'an amount is below zero',
  'stream-unknown': 'rows name a stream that is not recorded',
  'in-flight-excess': 'more events stand above the watermark than can be in flight',
  'in-flight-broken': 'an event above the watermark does not continue its balance',
  'dismissal-unfinished': 'an event up to the watermark has no row, and its dismissal was only begun',
  'dismissed-yet-settled': 'an event that a person dismissed is settled as the engine stated it',
  'oracle-mismatch': "a balance differs from the engine's",
  'oracle-missing': 'a balance of the engine does not stand there',
  'oracle-extra': 'the engine knows no such balance',
  'oracle-count': 'another number of events was settled than the engine counts',
  unexplained: 'sums over the tables do not agree, but a second reading found no reason',
} as const;

/** The stable word for what is wrong. */
export type FindingKind = keyof typeof FINDING_KINDS;

/** The tables that an audit reads row by row. */
export type AuditedTable =
  'user_balances' | 'settled_trades' | 'ledger_events' | 'ledger_entries' | 'stream_log' | 'streams';

/** One thing that is wrong. Ids are decimal strings; only those that belong to the kind are there. */
export interface Finding {
  readonly kind: FindingKind;
  /** One sentence for people. */
  readonly detail: string;
  readonly table?: AuditedTable;
  readonly stream?: string;
  readonly sequence?: string;
  readonly trade?: string;
  readonly user?: string;
  readonly asset?: number;
  readonly version?: string;
  /** Names of the cells that are concerned. */
  readonly columns?: readonly string[];
}

/** Findings that a report carries at most. */
export const FINDINGS_MAX = 1_000;

/** Gathers findings: the first ones whole, the others by count. */
export class Findings {
  readonly list: Finding[] = [];
  total = 0;

  add(finding: Finding): void {
    this.total += 1;
    if (this.list.length < FINDINGS_MAX) this.list.push(finding);
  }
}
