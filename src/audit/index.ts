/** The audit's door: what commands, activities and tests use of it. */
export { audit, type AuditOptions } from './audit.ts';
export { FINDING_KINDS, FINDINGS_MAX, type Finding, type FindingKind } from './finding.ts';
export type { OracleFile } from './oracle.ts';
export type { AssetTotal, AuditCounts, AuditedStream, AuditReport } from './report.ts';
export { AuditError } from './run.ts';
