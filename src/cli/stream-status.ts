/**
 * Where a stream stands: watermark, lag, and the oldest event that is not settled with the reason, from the database and
 * from what the partitions' workflows answer.
 */
import type { Client as TemporalClient } from '@temporalio/client';
import type { Client as CassandraClient } from 'cassandra-driver';
import { partitionStatus } from '../ingest/update-sender.ts';
import { readLeaseRow, readRenewalAgeMs } from '../ledger/leases.ts';
import { highestLineAbove, readLine } from '../ledger/stream-log.ts';
import { readQuarantined } from '../ledger/quarantine.ts';
import { readStreams, type StreamRecord } from '../ledger/streams.ts';
import { quarantineView, type QuarantineState } from './quarantine-view.ts';
import type { Halt, PartitionStatus, WaitingReport } from '../workflows/contract.ts';

/** Without an answer after so long no worker runs, ms. */
const ANSWER_MS_MAX = 3_000;

/** A stream as found. 64-bit integers are decimal strings. */
export interface StreamStatus {
  readonly stream: string;
  readonly dialect: string;
  readonly partitions: number;
  readonly watermark: string;
  /** Events received and not below the watermark. */
  readonly lag: string;
  readonly oldestUnsettled?: { readonly sequence: string; readonly event: string; readonly why: string };
  /** Partitions that wait for a person, and what to type. The stream goes on only until its bound of events in flight. */
  readonly halted: readonly {
    readonly partition: number;
    readonly halt?: Halt;
    readonly dismissing?: readonly string[];
    readonly next: readonly string[];
  }[];
  /** Partitions whose workflow did not answer: no worker runs, or Temporal is away. */
  readonly unanswered: number;
  /**
   * Who feeds the stream, or did last; `held` is false where the lease was given back, `renewedMsAgo` says when it was renewed
   * last, and `alive` is false where that is longer ago than the lease is good: its ingest is gone, or cannot reach the
   * database.
   */
  readonly ingest?: {
    readonly lease: string;
    readonly holder: string;
    readonly held: boolean;
    readonly renewedMsAgo: number;
    readonly alive: boolean;
  };
  /** Events above the watermark that were found in conflict and not dismissed, as kept in the database. */
  readonly quarantined: readonly {
    readonly sequence: string;
    readonly event: string;
    readonly reason: string;
    readonly state: QuarantineState;
  }[];
  /** Why its ingest stopped last. */
  readonly stopped?: unknown;
}

/** Every stream of the database. */
export async function streamStatuses(
  cassandra: CassandraClient,
  temporal: TemporalClient | undefined,
): Promise<StreamStatus[]> {
  const records = await readStreams(cassandra);
  return Promise.all(records.map((record) => streamStatus(cassandra, temporal, record)));
}

async function streamStatus(
  cassandra: CassandraClient,
  temporal: TemporalClient | undefined,
  record: StreamRecord,
): Promise<StreamStatus> {
  const { stream, watermark } = record;
  const [lease, renewedMsAgo = 0, highest, oldest] = await Promise.all([
    readLeaseRow(cassandra, stream),
    readRenewalAgeMs(cassandra, stream),
    highestLineAbove(cassandra, stream, watermark),
    readLine(cassandra, stream, watermark + 1n),
  ]);
  const answers = temporal ? await partitionStatuses(temporal, record) : undefined;
  const partitions = (answers ?? []).filter((answer) => typeof answer === 'object');
  const unanswered = answers ? answers.filter((answer) => answer === 'no-answer').length : record.partitions;
  const quarantined = (await readQuarantined(cassandra, stream))
    .map((event) => quarantineView(record, event))
    .filter(({ state }) => state !== 'settled' && state !== 'dismissed');
  const halted = partitions.flatMap((one) => {
    const { partition, halt, dismissing } = one;
    const next = nextSteps(one);
    return next.length === 0
      ? []
      : [{ partition, next, ...(halt && { halt }), ...(dismissing && { dismissing }) }];
  });
  return {
    stream,
    dialect: record.dialect,
    partitions: record.partitions,
    watermark: watermark.toString(),
    lag: (highest ? highest.sequence - watermark : 0n).toString(),
    ...(oldest
      ? {
          oldestUnsettled: {
            sequence: oldest.sequence.toString(),
            event: `${oldest.kind} ${oldest.id}`,
            why: temporal ? why(oldest.sequence.toString(), partitions) : 'Temporal does not answer',
          },
        }
      : {}),
    ...(lease.lease === 0n
      ? {}
      : {
          ingest: {
            lease: lease.lease.toString(),
            holder: lease.holder,
            held: lease.holderId !== undefined,
            renewedMsAgo,
            alive: lease.holderId !== undefined && renewedMsAgo <= lease.durationMs,
          },
        }),
    halted,
    unanswered,
    quarantined: quarantined.map(({ sequence, event, reason, state }) => ({
      sequence,
      event,
      reason,
      state,
    })),
    ...(record.stopped === undefined ? {} : { stopped: JSON.parse(record.stopped) as unknown }),
  };
}

/** True where something of a stream needs a person: halted, stopped, in quarantine, unanswered, or fed by nobody. */
export function needsAPerson(stream: StreamStatus): boolean {
  const { halted, unanswered, quarantined, stopped, ingest, lag } = stream;
  const isIngestGone = ingest?.held === true && !ingest.alive;
  // Where the lease was given back no ingest runs: that is well where nothing waits, and then no worker is needed either.
  const isHeldUp = ingest?.held === false ? lag !== '0' : unanswered > 0;
  return halted.length + quarantined.length > 0 || stopped !== undefined || isIngestGone || isHeldUp;
}

/** What a person can type where a partition waits for one; empty where none does. */
export function nextSteps({ stream, halt, dismissing = [] }: PartitionStatus): string[] {
  const place = (sequence: string): string => `${sequence} --stream ${stream}`;
  if (dismissing.length > 0)
    return dismissing.map(
      (sequence) =>
        `a dismissal was begun and not finished, repeat it: settled quarantine dismiss ${place(sequence)} --why "…"`,
    );
  if (!halt) return [];
  const { sequence } = halt.conflict;
  return [
    `look at it:            settled quarantine show ${place(sequence)}`,
    `the cause is mended:   settled quarantine retry ${place(sequence)} --why "…"`,
    `pass over it for good: settled quarantine dismiss ${place(sequence)} --why "…"`,
  ];
}

/** How partitions stand: each workflow's answer, or why there is none. In their order. */
export async function partitionStatuses(
  temporal: TemporalClient,
  { stream, partitions }: StreamRecord,
  numbers: readonly number[] = Array.from({ length: partitions }, (_, partition) => partition),
): Promise<(PartitionStatus | 'never-started' | 'no-answer')[]> {
  const asked = numbers.map(async (partition) => {
    try {
      return (await partitionStatus(temporal, stream, partition, ANSWER_MS_MAX)) ?? 'never-started';
    } catch {
      return 'no-answer';
    }
  });
  return Promise.all(asked);
}

function why(sequence: string, partitions: readonly PartitionStatus[]): string {
  const halt = partitions.find((one) => one.halt?.conflict.sequence === sequence)?.halt;
  if (halt) {
    const { reason, user, asset, expected, found } = halt.conflict;
    return `conflict (${reason}): balance ${user}/${asset}, expected ${expected}, found ${found}, since ${halt.since}`;
  }
  const waits = partitions.flatMap((one) => one.waiting).find((one) => one.sequence === sequence);
  if (waits) return waitingText(waits);
  const unfinished = partitions.reduce((sum, one) => sum + one.unfinished, 0);
  return unfinished > 0
    ? `being settled: ${unfinished} chunks are under way`
    : 'received and not being settled: is an ingest running, and a worker?';
}

/** What an event waits for. */
export function waitingText({ state, user, asset, expected, found }: WaitingReport): string {
  return `${state}: balance ${user}/${asset} is at version ${found}, the event expects ${expected}`;
}
