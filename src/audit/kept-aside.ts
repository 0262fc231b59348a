/**
 * What was kept aside (I6): rejected messages and quarantined events. They are counted and reported, and are no findings
 * by themselves; an event that a person dismissed has a line in the log and no row.
 */
import type { Ring } from './ring.ts';

/** A decision that begins with this word passes the event over. */
const DISMISSED = 'dismiss';

/** Counts over the audited streams. */
export interface KeptAside {
  readonly rejected: number;
  readonly rejectedByReason: Readonly<Record<string, number>>;
  readonly quarantined: number;
  /** "stream/sequence" of each dismissed event. */
  readonly dismissed: ReadonlySet<string>;
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
  const dismissed = new Set<string>();
  await ring.pages('SELECT stream, sequence, decision FROM quarantined_events', [], {
    row(row) {
      const stream = row['stream'] as string;
      if (isAudited(stream)) quarantined += 1;
      if ((row['decision'] as string | null)?.startsWith(DISMISSED))
        dismissed.add(`${stream}/${row['sequence'] as bigint}`);
    },
  });
  return { rejected, rejectedByReason, quarantined, dismissed };
}
