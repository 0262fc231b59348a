/**
 * What an audit reports: whether the database is clean, what was found, and what was counted on the way. Plain values,
 * ready for JSON: amounts and ids as decimal strings (I8), counts as numbers.
 */
import type { DismissedEvent } from './dismissed.ts';
import type { Finding } from './finding.ts';

/** Counts over the whole database, or over the audited streams where a stream is what they count. */
export interface AuditCounts {
  /** Event rows of both tables, those of dismissed events among them. */
  readonly events: number;
  /** Settled; dismissed ones are in neither of these. */
  readonly trades: number;
  readonly ledgerEvents: Readonly<Record<'deposit' | 'withdraw' | 'lock' | 'unlock', number>>;
  readonly entries: number;
  readonly balances: number;
  /** Lines of the audited streams. */
  readonly lines: number;
  /** Rejected messages of the audited streams, by reason too. */
  readonly rejected: number;
  readonly rejectedByReason: Readonly<Record<string, number>>;
  readonly quarantined: number;
  /** Events that a person decided to pass over, of all streams. */
  readonly dismissed: number;
  /** Sum over the audited streams: as many events are settled or dismissed. */
  readonly watermark: string;
  /** Above the watermark: received, perhaps settled, not yet reported. No findings by themselves. */
  readonly inFlight: { readonly lines: number; readonly events: number; readonly entriesToCome: number };
  /** Balances that changed while they were read, so that they could not be compared. */
  readonly moving: number;
}

/** One stream as it was audited. */
export interface AuditedStream {
  readonly stream: string;
  readonly dialect: string;
  /** When the audit began. */
  readonly watermark: string;
  /** When it ended: higher if the stream went on meanwhile. */
  readonly watermarkAtEnd: string;
  readonly lines: number;
  readonly events: number;
}

/** One asset's sums. */
export interface AssetTotal {
  readonly asset: number;
  readonly deposits: string;
  readonly withdrawals: string;
  readonly available: string;
  readonly frozen: string;
}

/** The outcome of an audit. */
export interface AuditReport {
  /** True if and only if nothing was found. */
  readonly ok: boolean;
  /** The first {@link FINDINGS_MAX}. */
  readonly findings: readonly Finding[];
  /** How many there are at least. */
  readonly findingsTotal: number;
  /** False where so much differs that the second reading covered only a part of it. */
  readonly complete: boolean;
  readonly counts: AuditCounts;
  readonly streams: readonly AuditedStream[];
  readonly assets: readonly AssetTotal[];
  /** What people passed over, each with who, why, and what the engine's book has of it. No findings, never left out. */
  readonly dismissed: readonly DismissedEvent[];
  /** Differences from the oracle that dismissed events alone explain, in words. No findings. */
  readonly explained: readonly string[];
  /** True if an oracle was given: every balance was held against the engine's. */
  readonly oracle: boolean;
  readonly startedAt: string;
  readonly elapsedMs: number;
}
