/**
 * What was kept aside (I6): rejected messages and quarantined events. They are counted and reported, and are no findings
 * by themselves; what people decided to dismiss comes out for `dismissed.ts`.
 */
import type { EventKind } from '../domain/event.ts';
import type { Decision } from './dismissed.ts';
import type { Ring } from './ring.ts';

/** A decision that begins with this word passes the event over. */
const DISMISSED = 'dismiss';

const SELECT_QUARANTINED =
  'SELECT stream, sequence, kind, row, decision, decided_by, decided_why, decided_at FROM quarantined_events';

/** Counts over the audited streams. */
export interface KeptAside {
  readonly rejected: number;
  readonly rejectedByReason: Readonly<Record<string, number>>;
  readonly quarantined: number;
  /** Decisions to dismiss, done or begun, of all streams. */
  readonly dismissed: readonly Decision[];
}

/** Reads both tables. */
export async function readKeptAside(ring: Ring, isAudited: (stream: string) => boolean): Promise<KeptAside> {
  const rejectedByReason: Record<string, number> = {};
  let rejected = 0;
  await ring.pages('SELECT stream, reason FROM rejected_messages', [], {
    row(row) {
      if (!isAudited(row['stream'] as string)) return;
      const reason = (row['reason'] as string | null) ?? 'unknown';
      rejected += 1;
      rejectedByReason[reason] = (rejectedByReason[reason] ?? 0) + 1;
    },
  });
  let quarantined = 0;
  const dismissed: Decision[] = [];
  await ring.pages(SELECT_QUARANTINED, [], {
    row(row) {
      const stream = row['stream'] as string;
      if (isAudited(stream)) quarantined += 1;
      const word = row['decision'] as string | null;
      if (!word?.startsWith(DISMISSED)) return;
      dismissed.push({
        stream,
        sequence: row['sequence'] as bigint,
        kind: row['kind'] as EventKind | null,
        row: row['row'] as string | null,
        word,
        who: row['decided_by'] as string | null,
        why: row['decided_why'] as string | null,
        at: row['decided_at'] as Date | null,
      });
    },
  });
  return { rejected, rejectedByReason, quarantined, dismissed };
}
