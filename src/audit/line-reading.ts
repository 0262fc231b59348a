/**
 * The stream log of one stream, read bucket by bucket in order of sequences, so that a hole shows at once (I1b). Leases
 * only grow along it: a later ingest writes the lines above the watermark again under its own.
 */
import type { Client, types } from 'cassandra-driver';
import { readLease } from '../ledger/leases.ts';
import { sequenceBucket } from '../ledger/event-rows.ts';
import { lineOf, type StreamLine } from '../ledger/stream-log.ts';
import { Cells } from './cells.ts';
import type { Finding } from './finding.ts';
import type { Ring } from './ring.ts';

const CELLS = new Cells('stream_log', ['stream', 'bucket', 'sequence'], 'kind, id, digest, lease');
const SELECT_BUCKET = `${CELLS.select} WHERE stream = ? AND bucket = ?`;

/** Buckets that hold lines, by stream, ascending. One number for ten thousand lines. */
export async function lineBuckets(ring: Ring): Promise<Map<string, bigint[]>> {
  const buckets = new Map<string, bigint[]>();
  await ring.pages('SELECT DISTINCT stream, bucket FROM stream_log', [], {
    row(row) {
      const stream = row['stream'] as string;
      const list = buckets.get(stream);
      if (list) list.push(row['bucket'] as bigint);
      else buckets.set(stream, [row['bucket'] as bigint]);
    },
  });
  for (const list of buckets.values()) list.sort((a, b) => (a < b ? -1 : 1));
  return buckets;
}

/** A line's row. */
export interface LineRow {
  readonly sequence: bigint;
  readonly findings: readonly Finding[];
  /** Undefined where a cell is missing. */
  readonly line: StreamLine | undefined;
}

/** Who takes lines. */
export interface LineTaker {
  line(row: LineRow): void;
  /** Sequences up to the watermark without a line, both included. */
  hole(first: bigint, last: bigint): void;
}

/** Reads the lines of a stream. */
export async function readLog(
  client: Client,
  ring: Ring,
  stream: string,
  buckets: readonly bigint[],
  watermark: bigint,
  taker: LineTaker,
): Promise<void> {
  let newestLease = await readLease(client, stream);
  let neverTaken = 0n;
  let next = 1n;
  let leaseBefore = 0n;
  const take = (checked: LineRow): void => {
    const { line, sequence } = checked;
    const findings = [...checked.findings];
    if (sequence > next && next <= watermark)
      taker.hole(next, sequence - 1n < watermark ? sequence - 1n : watermark);
    if (sequence >= next) next = sequence + 1n;
    const tooNew = line !== undefined && newestLease > 0n && line.lease > newestLease;
    if (line && (tooNew || line.lease < leaseBefore))
      findings.push({
        kind: 'line-lease',
        detail: `line ${sequence} of stream ${stream} has lease ${line.lease}, the one before it ${leaseBefore}, the newest is ${newestLease}`,
        table: 'stream_log',
        stream,
        sequence: `${sequence}`,
        columns: ['lease'],
      });
    if (line && !tooNew && sequence <= watermark) leaseBefore = line.lease;
    taker.line({ ...checked, findings });
  };
  // Another ingest may have taken the stream over while the log was being read.
  const takeNewer = async (checked: LineRow, lease: bigint): Promise<void> => {
    newestLease = await readLease(client, stream);
    if (lease > newestLease) neverTaken = lease;
    take(checked);
  };
  for (const bucket of buckets)
    await ring.pages(SELECT_BUCKET, [stream, bucket], {
      row(row) {
        const checked = lineRow(stream, row);
        const { lease = 0n } = checked.line ?? {};
        if (newestLease > 0n && lease > newestLease && lease !== neverTaken) return takeNewer(checked, lease);
        return take(checked);
      },
    });
  if (next <= watermark) taker.hole(next, watermark);
}

function lineRow(stream: string, row: types.Row): LineRow {
  const sequence = row['sequence'] as bigint;
  const place = `line ${sequence} of stream ${stream}`;
  const ids = { stream, sequence: `${sequence}` };
  const { missing, findings } = CELLS.faults(row, sequence, place, ids);
  const wrong = row['bucket'] !== sequenceBucket(sequence) || sequence < 1n;
  const misplaced: Finding[] = wrong
    ? [{ kind: 'cell', detail: `${place} stands in the wrong bucket`, table: 'stream_log', ...ids }]
    : [];
  return {
    sequence,
    findings: [...findings, ...misplaced],
    line: missing.length > 0 ? undefined : lineOf(row),
  };
}
