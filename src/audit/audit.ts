/**
 * The audit: holds a settled database against itself and, where one is given, against the engine's books. It checks
 * that balances equal their last entries (I2), that versions and chains have no gap, that entries follow from event rows
 * alone (I1a), that the log has a line and a row for each sequence (I1b), and that nothing was written by hand (I3). It
 * reads by token range; its memory depends on what is in flight and on what is wrong, not on what is settled.
 */
import { types, type Client } from 'cassandra-driver';
import { compareInFlight } from './in-flight-reading.ts';
import { firstReading, type FirstReading } from './first-reading.ts';
import { IN_FLIGHT_EVENTS_MAX } from './in-flight.ts';
import { readKeptAside, type KeptAside } from './kept-aside.ts';
import { resolveLateEntries } from './late-entries.ts';
import { Oracle, type OracleFile } from './oracle.ts';
import { recordAudit } from './record.ts';
import type { AuditCounts, AuditedStream, AuditReport } from './report.ts';
import type { RingOptions } from './ring.ts';
import { Run } from './run.ts';
import { secondReading } from './second-reading.ts';

/** What may be said of an audit. */
export interface AuditOptions extends RingOptions {
  /** Whose log is looked at; balances and entries are always audited in full. @default all streams */
  readonly stream?: string;
  /** The engine's books: the path of an oracle file, or its value. */
  readonly oracle?: string | OracleFile;
  /** Keeps the run and its findings in audit_runs and audit_findings. @default true */
  readonly record?: boolean;
  /** Told now and then what is read, and how many rows of it have been. */
  readonly onProgress?: (table: string, rows: number) => void;
}

const PROGRESS_ROWS = 1_000;

/**
 * Audits the keyspace that a client is connected to. A database that goes on settling is audited up to its watermark.
 *
 * @returns everything found, bounded
 * @throws {@link AuditError} if there is no such stream, or the oracle is unusable; the driver's errors if the database
 * cannot be read
 */
export async function audit(client: Client, options: AuditOptions = {}): Promise<AuditReport> {
  const startedMs = Date.now();
  const oracle =
    options.oracle === undefined
      ? undefined
      : typeof options.oracle === 'string'
        ? await Oracle.read(options.oracle)
        : new Oracle(options.oracle);
  const run = await Run.begin(client, options, options.stream);
  await checkWatermarks(run);
  const kept = await readKeptAside(run.ring, (stream) => run.streams.get(stream)?.audited ?? false);
  kept.dismissed.forEach((decision) => run.dismissed.addDecision(decision));

  const first = await firstReading(run, oracle, (table, rows) => {
    if (rows % PROGRESS_ROWS === 0) options.onProgress?.(table, rows);
  });
  reportUnfinished(run);
  await resolveLateEntries(run, first.late);
  const moving = await compareInFlight(run);
  const watermarks = await run.watermarksNow();
  const moved = run.hasMovedTo(watermarks);
  if (!moved && moving === 0) run.totals.compare(run.report);
  oracle?.finish({ ...first.kinds, rejectedByReason: kept.rejectedByReason }, run.dismissed, run.report);

  const foundBefore = run.findings.total;
  const { complete, moving: movingSince } = await secondReading(run, first);
  const uneven = [run.entries, run.ends, run.lines].some((tally) => tally.uneven().length > 0);
  if (uneven && run.findings.total === 0 && foundBefore === 0 && !moved && movingSince === 0)
    run.report({ kind: 'unexplained', detail: 'tables differ, but a second reading did not find where' });

  const { list, total } = run.findings;
  const report: AuditReport = {
    ok: total === 0,
    findings: list,
    findingsTotal: total,
    complete,
    counts: countsOf(run, first, kept, moving + movingSince),
    streams: streamsOf(run, watermarks),
    assets: run.totals.list(),
    dismissed: run.dismissed.list((stream) => run.streams.get(stream)?.audited ?? false),
    explained: oracle?.explained ?? [],
    oracle: oracle !== undefined,
    startedAt: new Date(startedMs).toISOString(),
    elapsedMs: Date.now() - startedMs,
  };
  if (options.record ?? true) await recordAudit(client, report);
  return report;
}

/** A watermark written at another time than itself could never be moved again, or was moved by hand (I7). */
async function checkWatermarks(run: Run): Promise<void> {
  const result = await run.client.execute(
    'SELECT stream, watermark, WRITETIME(watermark) AS written FROM streams',
    [],
    { prepare: true, consistency: run.consistency ?? types.consistencies.localQuorum },
  );
  for (const row of result.rows) {
    const stream = row['stream'] as string;
    const watermark = row['watermark'] as bigint | null;
    if (watermark === null || row['written'] === watermark || !run.streams.get(stream)?.audited) continue;
    const detail = `the watermark ${watermark} of stream ${stream} was not written at its own time, but by hand`;
    run.report({ kind: 'write-time', detail, table: 'streams', stream, columns: ['watermark'] });
  }
}

/** The watermark passes a dismissed event only when its void is written: one that was begun excuses no missing row (I6). */
function reportUnfinished(run: Run): void {
  for (const { stream, sequence } of run.dismissed.unfinished())
    if (run.isSettled(stream, sequence) && run.streams.get(stream)?.audited)
      run.report({
        kind: 'dismissal-unfinished',
        detail: `sequence ${sequence} of stream ${stream} has no row, and its dismissal was only begun, though the watermark is past`,
        stream,
        sequence: `${sequence}`,
      });
}

function countsOf(run: Run, first: FirstReading, kept: KeptAside, moving: number): AuditCounts {
  const { trade: trades, ...ledgerEvents } = first.kinds;
  const audited = [...run.streams.values()].filter((state) => state.audited);
  return {
    events: trades + Object.values(ledgerEvents).reduce((sum, count) => sum + count, 0) + first.dismissedRows,
    trades,
    ledgerEvents,
    entries: first.entries,
    balances: first.balances,
    lines: audited.reduce((sum, state) => sum + state.lines, 0),
    rejected: kept.rejected,
    rejectedByReason: kept.rejectedByReason,
    quarantined: kept.quarantined,
    dismissed: run.dismissed.size,
    watermark: `${audited.reduce((sum, state) => sum + state.watermark, 0n)}`,
    inFlight: {
      lines: audited.reduce((sum, state) => sum + state.linesInFlight, 0),
      events: run.inFlight.events,
      entriesToCome: run.inFlight.events > IN_FLIGHT_EVENTS_MAX ? 0 : run.inFlight.entriesToCome,
    },
    moving,
  };
}

function streamsOf(run: Run, watermarks: ReadonlyMap<string, bigint>): AuditedStream[] {
  return [...run.streams.values()]
    .filter((state) => state.audited)
    .map(({ stream, dialect, watermark, lines, events }) => ({
      stream,
      dialect,
      watermark: `${watermark}`,
      watermarkAtEnd: `${watermarks.get(stream) ?? watermark}`,
      lines,
      events,
    }));
}
