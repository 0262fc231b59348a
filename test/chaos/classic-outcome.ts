/**
 * What may come of a classic stream whose ingest was killed in the middle. Such an engine can't send again, so something
 * may be lost; what must never be is that nobody is told.
 */

/** The outcomes that are documented, and the one that is a fault of ours. */
export type ClassicOutcome =
  /** Everything is settled, as the engine's book has it. */
  | 'complete'
  /** Stopped at the first message that does not continue what is settled; it names balance and versions, or the trades that are missing. */
  | 'stopped-by-name'
  /** The ingest did not open the stream again, and said which event was received and never settled. */
  | 'refused-to-open'
  /** What was lost has no later trade: only the oracle shows it, and does. */
  | 'found-by-oracle'
  /** Something is missing and nobody said so, or it ended in a way that is not documented. */
  | 'UNEXPLAINED';

/** How the ingest that was started again ended, and what the audit says. */
export interface ClassicEnding {
  readonly code: number | null;
  /** The stop that it reported, if it did. */
  readonly stop?: {
    readonly reason: string;
    readonly message: string;
    readonly user?: string;
    readonly asset?: number;
    readonly expected?: string;
    readonly stated?: string;
  };
  /** What it said on stderr last. */
  readonly said: string;
  /** Findings of `verify --oracle`, by kind. */
  readonly findings: readonly string[];
}

/** Findings that hold a database against the engine's book; any other says that the database itself is wrong. */
const AGAINST_THE_BOOK = ['oracle-mismatch', 'oracle-missing', 'oracle-extra', 'oracle-count'];

/** Judges an ending. */
export function outcomeOf({ code, stop, said, findings }: ClassicEnding): ClassicOutcome {
  const isWhole = findings.every((kind) => AGAINST_THE_BOOK.includes(kind));
  if (!isWhole) return 'UNEXPLAINED';
  if (stop) return namesItsPlace(stop) ? 'stopped-by-name' : 'UNEXPLAINED';
  if (code === 3) return /was received and never settled/.test(said) ? 'refused-to-open' : 'UNEXPLAINED';
  if (code !== 0) return 'UNEXPLAINED';
  return findings.length === 0 ? 'complete' : 'found-by-oracle';
}

function namesItsPlace({
  reason,
  message,
  user,
  asset,
  expected,
  stated,
}: NonNullable<ClassicEnding['stop']>): boolean {
  if (reason === 'version-mismatch' || reason === 'insufficient-balance')
    return user !== undefined && asset !== undefined && expected !== undefined && stated !== undefined;
  return reason === 'hole' && /\d+/.test(message);
}
