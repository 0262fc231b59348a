/**
 * The second reading, made only where tallies do not come out even: it reads the tables once more, holds the few keys
 * that the uneven slots name, and says exactly which rows disagree. How many rows it holds is bounded; where more would
 * be needed it says that it is not complete.
 */
import { readBalances } from './balance-reading.ts';
import { readEntries } from './entry-reading.ts';
import { readEvents } from './event-reading.ts';
import type { EndState } from './fingerprint.ts';
import { slotOf, type FirstReading } from './first-reading.ts';
import { lineBuckets, readLog } from './line-reading.ts';
import type { Run } from './run.ts';
import { accountSlot, sequenceSlot, type UnevenSlot } from './tally.ts';
import { SuspectEnds } from './suspect-ends.ts';
import { SuspectEntries } from './suspect-entries.ts';
import { SuspectLines } from './suspect-lines.ts';

/** Rows that the second reading holds, about. One slot at least is always looked into. */
export const SUSPECT_ROWS_MAX = 200_000;

interface Share {
  readonly slots: ReadonlySet<number>;
  /** Uneven slots that are not looked into. */
  readonly left: number;
}

/** What came of the second reading. */
export interface SecondReading {
  readonly complete: boolean;
  readonly moving: number;
}

/**
 * Looks into uneven slots and reports what is wrong there.
 *
 * @returns whether all of them were looked into, and how many balances could not be compared because their stream went on
 */
export async function secondReading(run: Run, first: FirstReading): Promise<SecondReading> {
  const entries = shareOf(run.entries.uneven());
  const ends = shareOf(run.ends.uneven());
  const lines = shareOf(run.lines.uneven());
  const suspectEntries = new SuspectEntries(run);
  const suspectEnds = new SuspectEnds(run);
  const suspectLines = new SuspectLines(run);

  const looksInto = (end: EndState): boolean =>
    ends.slots.has(accountSlot(end.userId, end.assetId)) && !run.inFlight.has(end);

  if (entries.slots.size > 0 || lines.slots.size > 0)
    await readEvents(run.ring, (checked) => {
      const { stream, sequence } = checked;
      if (sequence !== undefined && lines.slots.has(sequenceSlot(stream, sequence)))
        suspectLines.addEvent(checked);
      for (const linked of checked.entries ?? [])
        if (entries.slots.has(slotOf(linked))) suspectEntries.addExpected(linked);
    });
  if (entries.slots.size > 0 || ends.slots.size > 0)
    await readEntries(run.ring, {
      isSettled: (stream, sequence) => run.isSettled(stream, sequence),
      entry: ({ linked }) => {
        if (linked && entries.slots.has(slotOf(linked))) suspectEntries.addFound(linked);
      },
      end: (end) => {
        if (looksInto(end)) suspectEnds.addEnd(end);
      },
    });
  if (ends.slots.size > 0)
    await readBalances(run.ring, ({ state }) => {
      if (state && looksInto(state)) suspectEnds.addBalance(state);
    });
  if (lines.slots.size > 0) await readSuspectLines(run, lines.slots, suspectLines);

  await suspectEntries.dropLate();
  const reported = suspectEntries.compare();
  const moving = await suspectEnds.dropMoving();
  suspectEnds.compare(reported);
  suspectLines.compare(first.holes);
  const left = entries.left + ends.left + lines.left;
  // Where streams go on, what is uneven may be what moves: many balances of one that is behind another.
  if (!run.hasMovedTo(await run.watermarksNow())) run.findings.total += left;
  return { complete: left === 0, moving };
}

async function readSuspectLines(run: Run, slots: ReadonlySet<number>, suspects: SuspectLines): Promise<void> {
  const buckets = await lineBuckets(run.ring);
  for (const { stream, watermark, audited } of run.streams.values()) {
    if (!audited) continue;
    await readLog(run.client, run.ring, stream, buckets.get(stream) ?? [], watermark, {
      line: ({ line }) => {
        if (line && slots.has(sequenceSlot(stream, line.sequence))) suspects.addLine(stream, line);
      },
      hole: () => undefined,
    });
  }
}

/** As many slots as may be held. */
function shareOf(uneven: readonly UnevenSlot[]): Share {
  const slots = new Set<number>();
  let rows = 0;
  for (const { slot, records } of uneven) {
    if (slots.size > 0 && rows + records > SUSPECT_ROWS_MAX) break;
    rows += records;
    slots.add(slot);
  }
  return { slots, left: uneven.length - slots.size };
}
