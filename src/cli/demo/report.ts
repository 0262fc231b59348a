/**
 * The report of the main job: one JSON object for programs, a few lines for people.
 */
import type { Stop } from '../../ingest/stop.ts';

/** What the demonstration reports. The field names are a contract for programs. */
export interface DemoReport {
  readonly deposits: number;
  readonly trades: number;
  /** Deposits, withdrawals, locks and unlocks that were settled. */
  readonly ledgerEvents: number;
  /** Messages that are no valid event, kept in rejected_messages. */
  readonly rejected: number;
  /** Ledger entries written: one a version of a balance. */
  readonly balanceUpdates: number;
  /** Findings of the audit, a stop, events left unsettled. */
  readonly errors: number;
  readonly tradesPerSecond: number;
  readonly audit: { readonly ok: boolean; readonly findings: readonly unknown[] };
  readonly temporalUi: string;
  readonly seconds: number;
  readonly events: number;
  readonly memoryMiB: { readonly worker: number; readonly ingest: number };
  /** True if balances were held against an oracle. */
  readonly oracle: boolean;
  readonly stream: string;
  readonly keyspace: string;
  readonly stopped?: Stop;
}

/** What was sent, for the comparison. */
export interface Expected {
  readonly deposits: number;
  readonly trades: number;
}

/** The report as lines for people. */
export function describeReport(report: DemoReport, expected: Expected): string {
  const { stopped, audit } = report;
  const lines = [
    `  deposits        ${report.deposits}/${expected.deposits}`,
    `  trades          ${report.trades}/${expected.trades}`,
    `  ledger events   ${report.ledgerEvents} (deposits, withdrawals, locks, unlocks)`,
    `  rejected        ${report.rejected}`,
    `  balance updates ${report.balanceUpdates}${audit.ok ? ', each verified' : ''}`,
    `  audit           ${audit.ok ? 'clean' : `${audit.findings.length} findings`}${report.oracle ? ', held against the oracle' : ', without an oracle'}`,
    `  errors          ${report.errors}`,
    `  time            ${report.seconds.toFixed(1)} s, ${Math.round(report.tradesPerSecond)} trades/s`,
    `  memory          worker ${report.memoryMiB.worker} MiB, ingest ${report.memoryMiB.ingest} MiB`,
    `  Temporal UI     ${report.temporalUi || 'not known'}`,
  ];
  for (const finding of audit.findings.slice(0, 10)) lines.push(`  finding: ${JSON.stringify(finding)}`);
  if (stopped)
    lines.push(
      '',
      `The stream stopped at sequence ${stopped.sequence} (${stopped.reason}): ${stopped.message}`,
    );
  return lines.join('\n');
}
