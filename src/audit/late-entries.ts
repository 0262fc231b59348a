/**
 * Entries above the watermark whose event was not there when events were read: their event came while the audit was
 * reading, or is missing. Each is asked for by its key; what is still unexplained goes into the tally, as uneven.
 */
import type { LedgerEntry } from '../domain/entries.ts';
import { sequenceBucket } from '../ledger/event-rows.ts';
import { checkEventRow, EVENT_CELLS } from './event-row.ts';
import type { LinkedEntry } from './fingerprint.ts';
import { slotOf } from './first-reading.ts';
import type { Run } from './run.ts';

const READS_AT_ONCE = 32;
const TRADES_OF_ID = `${EVENT_CELLS.settled_trades.select} WHERE trade_id = ?`;
const LEDGER_EVENT = `${EVENT_CELLS.ledger_events.select} WHERE stream = ? AND bucket = ? AND sequence = ?`;

/** Looks each of them up. */
export async function resolveLateEntries(run: Run, late: readonly LinkedEntry[]): Promise<void> {
  let next = 0;
  const resolveSome = async (): Promise<void> => {
    for (let at = next++; at < late.length; at = next++) {
      const linked = late[at];
      if (!linked) return;
      if (!(await bringsEntry(run, linked))) run.entries.add(slotOf(linked), run.fingerprints.entry(linked));
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, resolveSome));
}

/** True if an event row stands there from which just this entry follows. */
export async function bringsEntry(run: Run, linked: LinkedEntry): Promise<boolean> {
  const fingerprint = run.fingerprints.entry(linked);
  const brought = await entriesBrought(run, linked.entry);
  return brought.some((one) => run.fingerprints.entry(one).equals(fingerprint));
}

/** The entries that follow from the row of an event; none where there is no such row, or a damaged one. */
export async function entriesBrought(
  run: Run,
  event: Pick<LedgerEntry, 'stream' | 'sequence' | 'eventKind' | 'eventId'>,
): Promise<LinkedEntry[]> {
  const { stream, sequence, eventKind, eventId } = event;
  const isTrade = eventKind === 'trade';
  const brought: LinkedEntry[] = [];
  const params = isTrade ? [eventId] : [stream, sequenceBucket(sequence), sequence];
  await run.ring.pages(isTrade ? TRADES_OF_ID : LEDGER_EVENT, params, {
    row(row) {
      const { entries = [] } = checkEventRow(isTrade ? 'settled_trades' : 'ledger_events', row);
      brought.push(...entries.filter(({ entry }) => entry.stream === stream && entry.sequence === sequence));
    },
  });
  return brought;
}
