/**
 * The first reading: each table once, from end to end. Every row is checked by itself, and what tables must agree on
 * goes into the tallies. Events come first, then balances, then entries, then the log: so whatever settles while the
 * audit reads is seen as above the watermark, and is not taken for damage (I7).
 */
import { entryBucket } from '../domain/entries.ts';
import type { EventKind } from '../domain/event.ts';
import { readBalances } from './balance-reading.ts';
import { readEntries, type EntryRow } from './entry-reading.ts';
import { readEvents } from './event-reading.ts';
import { lineStateOf, type CheckedEvent } from './event-row.ts';
import type { LinkedEntry } from './fingerprint.ts';
import { IN_FLIGHT_EVENTS_MAX } from './in-flight.ts';
import { lineBuckets, readLog, type LineRow } from './line-reading.ts';
import type { Oracle } from './oracle.ts';
import type { Run, StreamState } from './run.ts';
import { accountSlot, sequenceSlot } from './tally.ts';

/** Entries above the watermark whose event was not there when events were read; held up to this number. */
const LATE_ENTRIES_MAX = 100_000;

/** Sequences without a line. */
export interface Hole {
  readonly stream: string;
  readonly first: bigint;
  readonly last: bigint;
}

/** What the first reading counted, and what is left to look at. */
export interface FirstReading {
  /** Settled events; dismissed ones are counted apart. */
  readonly dismissedRows: number;
  readonly kinds: Readonly<Record<EventKind, number>>;
  readonly entries: number;
  readonly balances: number;
  /** Entries above the watermark without an event: it came later, or is missing. */
  readonly late: readonly LinkedEntry[];
  readonly holes: readonly Hole[];
}

/** Told what is being read, and how many rows of it have been. */
export type OnProgress = (table: string, rows: number) => void;

/** Holes that are remembered, at most. */
const HOLES_MAX = 1_000;

/** Reads everything once. */
export async function firstReading(
  run: Run,
  oracle: Oracle | undefined,
  onProgress: OnProgress,
): Promise<FirstReading> {
  const kinds: Record<EventKind, number> = { trade: 0, deposit: 0, withdraw: 0, lock: 0, unlock: 0 };
  let events = 0;
  let dismissedRows = 0;
  const onEvent = (checked: CheckedEvent): void => {
    onProgress('events', (events += 1));
    takeEvent(run, checked);
    if (checked.dismissed) dismissedRows += 1;
    else if (checked.event) kinds[checked.event.kind] += 1;
  };
  await readEvents(run.ring, onEvent, run.report);

  let balances = 0;
  await readBalances(run.ring, ({ userId, assetId, findings, state }) => {
    onProgress('balances', (balances += 1));
    findings.forEach(run.report);
    oracle?.take(userId, assetId, state, run.dismissed, run.report);
    if (!state) {
      run.taint('balance', userId, assetId);
      return;
    }
    run.totals.addBalance(state);
    if (run.inFlight.has(state) || state.lastSequence > run.watermarkMax) run.inFlight.addBalance(state);
    else run.ends.subtract(accountSlot(userId, assetId), run.fingerprints.end(state));
  });

  let entries = 0;
  const late: LinkedEntry[] = [];
  await readEntries(run.ring, {
    isSettled: (stream, sequence) => run.isSettled(stream, sequence),
    entry: (row) => {
      onProgress('entries', (entries += 1));
      takeEntry(run, row, late);
    },
    end: (end) => {
      if (run.inFlight.has(end)) run.inFlight.addEnd(end);
      else run.ends.add(accountSlot(end.userId, end.assetId), run.fingerprints.end(end));
    },
  });

  const holes = await readLogs(run, onProgress);
  return { kinds, dismissedRows, entries, balances, late, holes };
}

function takeEvent(run: Run, checked: CheckedEvent): void {
  const { stream, sequence, event, digest, entries, dismissed } = checked;
  checked.findings.forEach(run.report);
  if (dismissed) run.dismissed.addRow(dismissed);
  else if (sequence !== undefined && digest && run.dismissed.isOf(stream, sequence, digest))
    takeSettled(run, stream, sequence);
  const state = run.stream(stream);
  if (state) state.events += 1;
  if (event && !dismissed) run.totals.addEvent(event);
  if (sequence === undefined) return;
  if (!event || !digest || !entries) run.taint('event', stream, sequence);
  const line = event && digest && state?.audited ? lineStateOf(stream, event, digest) : undefined;
  if (!run.isSettled(stream, sequence)) {
    if (!run.inFlight.addEvent(line, entries ?? []) && run.inFlight.events === IN_FLIGHT_EVENTS_MAX + 1)
      run.report({
        kind: 'in-flight-excess',
        detail: `more than ${IN_FLIGHT_EVENTS_MAX} events stand above the watermark ${state?.watermark} of stream ${stream}`,
        stream,
      });
    return;
  }
  if (line) run.lines.subtract(sequenceSlot(stream, sequence), run.fingerprints.line(line));
  for (const linked of entries ?? []) run.entries.subtract(slotOf(linked), run.fingerprints.entry(linked));
}

/** An event whose dismissal was decided, and whose row says that it is settled. One that was only begun came too late. */
function takeSettled(run: Run, stream: string, sequence: bigint): void {
  if (run.dismissed.isDone(stream, sequence))
    run.report({
      kind: 'dismissed-yet-settled',
      detail: `sequence ${sequence} of stream ${stream} was dismissed, and its row says that it is settled as the engine stated it`,
      stream,
      sequence: `${sequence}`,
    });
  run.dismissed.forget(stream, sequence);
}

function takeEntry(run: Run, row: EntryRow, late: LinkedEntry[]): void {
  row.findings.forEach(run.report);
  const { linked } = row;
  if (!linked) {
    run.taint('balance', row.userId, row.assetId);
    run.taint('entry', row.userId, row.assetId);
    return;
  }
  const { entry } = linked;
  run.stream(entry.stream);
  const fingerprint = run.fingerprints.entry(linked);
  if (!run.isSettled(entry.stream, entry.sequence)) {
    const step = run.inFlight.stepAt(entry);
    if (step && run.fingerprints.entry(step).equals(fingerprint)) {
      run.inFlight.entriesToCome -= 1;
      return;
    }
    if (!step && late.length < LATE_ENTRIES_MAX) {
      late.push(linked);
      return;
    }
  }
  run.entries.add(slotOf(linked), fingerprint);
}

async function readLogs(run: Run, onProgress: OnProgress): Promise<Hole[]> {
  const buckets = await lineBuckets(run.ring);
  for (const stream of buckets.keys()) run.stream(stream);
  const holes: Hole[] = [];
  let lines = 0;
  for (const state of run.streams.values()) {
    if (!state.audited) continue;
    const { stream, watermark } = state;
    await readLog(run.client, run.ring, stream, buckets.get(stream) ?? [], watermark, {
      line: (row) => {
        onProgress('lines', (lines += 1));
        takeLine(run, state, row);
      },
      hole: (first, last) => {
        if (holes.length < HOLES_MAX) holes.push({ stream, first, last });
        else run.findings.total += 1;
      },
    });
  }
  for (const event of run.inFlight.withoutLine())
    run.report({
      kind: 'row-without-line',
      detail: `${event.kind} ${event.id} stands under sequence ${event.sequence} of stream ${event.stream}, without a line`,
      stream: event.stream,
      sequence: `${event.sequence}`,
    });
  return holes;
}

function takeLine(run: Run, state: StreamState, { sequence, findings, line }: LineRow): void {
  findings.forEach(run.report);
  state.lines += 1;
  if (!line) run.taint('line', state.stream, sequence);
  if (sequence <= state.watermark) {
    if (line && !run.dismissed.isWithoutRow(state.stream, sequence))
      run.lines.add(
        sequenceSlot(state.stream, sequence),
        run.fingerprints.line({ stream: state.stream, ...line }),
      );
    return;
  }
  state.linesInFlight += 1;
  const event = run.inFlight.takeLine(state.stream, sequence);
  if (!event || !line) return;
  if (event.kind === line.kind && event.id === line.id && event.digest.equals(line.digest)) return;
  run.report({
    kind: 'line-mismatch',
    detail: `line ${sequence} of stream ${state.stream} names ${line.kind} ${line.id}, the row is of ${event.kind} ${event.id}, or of other content`,
    table: 'stream_log',
    stream: state.stream,
    sequence: `${sequence}`,
  });
}

/** Entries of one account and bucket share a slot, so that neighbours are looked at together. */
export function slotOf({ entry }: LinkedEntry): number {
  return accountSlot(entry.userId, entry.assetId, entryBucket(entry.version));
}
