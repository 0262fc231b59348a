/**
 * Keeps an audit in the database: one run for each audited stream, with its findings, so that people can see when a
 * stream was last found clean, and what was wrong when it was not.
 */
import type { Client } from 'cassandra-driver';
import type { AuditReport } from './report.ts';

const INSERT_RUN =
  'INSERT INTO audit_runs (stream, started_at, finished_at, watermark, ok, counts) VALUES (?, ?, ?, ?, ?, ?)';
const INSERT_FINDING =
  'INSERT INTO audit_findings (stream, started_at, number, kind, detail) VALUES (?, ?, ?, ?, ?)';
const FINDINGS_PER_WRITE = 50;

/** Writes runs and findings. A finding that names another stream is left out. */
export async function recordAudit(client: Client, report: AuditReport): Promise<void> {
  const started = new Date(report.startedAt);
  const finished = new Date(started.getTime() + report.elapsedMs);
  for (const { stream, watermark } of report.streams) {
    const findings = report.findings.filter((finding) => (finding.stream ?? stream) === stream);
    for (let at = 0; at < findings.length; at += FINDINGS_PER_WRITE)
      await client.batch(
        findings.slice(at, at + FINDINGS_PER_WRITE).map((finding, index) => ({
          query: INSERT_FINDING,
          params: [stream, started, at + index + 1, finding.kind, finding.detail],
        })),
        { prepare: true, logged: false, isIdempotent: true },
      );
    const counts = JSON.stringify({ ...report.counts, findings: report.findingsTotal });
    await client.execute(INSERT_RUN, [stream, started, finished, BigInt(watermark), report.ok, counts], {
      prepare: true,
      isIdempotent: true,
    });
  }
}
