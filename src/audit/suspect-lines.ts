/**
 * Sequences whose line in the stream log and event row may disagree, side by side (I1b). A sequence that a person
 * dismissed may have a line and no row, and is none of them.
 */
import { describeEvent } from '../domain/event.ts';
import type { StreamLine } from '../ledger/stream-log.ts';
import { lineStateOf, type CheckedEvent } from './event-row.ts';
import type { AuditedTable, FindingKind } from './finding.ts';
import type { Hole } from './first-reading.ts';
import type { Run } from './run.ts';

interface Place {
  readonly stream: string;
  readonly sequence: bigint;
  line?: StreamLine;
  readonly events: CheckedEvent[];
}

/** Gathers and compares. */
export class SuspectLines {
  readonly #run: Run;
  readonly #places = new Map<string, Place>();

  constructor(run: Run) {
    this.#run = run;
  }

  addEvent(checked: CheckedEvent): void {
    if (checked.sequence !== undefined && this.#run.isSettled(checked.stream, checked.sequence))
      this.#place(checked.stream, checked.sequence).events.push(checked);
  }

  addLine(stream: string, line: StreamLine): void {
    if (this.#run.isSettled(stream, line.sequence)) this.#place(stream, line.sequence).line = line;
  }

  /** @param holes sequences without a line, found in the first reading */
  compare(holes: readonly Hole[]): void {
    const withRow = new Map<string, bigint[]>();
    for (const place of this.#places.values()) {
      if (!this.#run.streams.get(place.stream)?.audited) continue;
      this.#comparePlace(place);
      if (!place.line && place.events.length > 0) {
        const list = withRow.get(place.stream);
        if (list) list.push(place.sequence);
        else withRow.set(place.stream, [place.sequence]);
      }
    }
    for (const hole of holes) this.#reportHole(hole, withRow.get(hole.stream) ?? []);
  }

  #comparePlace({ stream, sequence, line, events }: Place): void {
    const [first, second] = events;
    const report = (kind: FindingKind, what: string, table: AuditedTable): void => {
      const detail = `sequence ${sequence} of stream ${stream}: ${what}`;
      this.#run.report({ kind, detail, table, stream, sequence: `${sequence}` });
    };
    if (this.#run.isTainted('line', stream, sequence)) return;
    if (first && second)
      report('sequence-twice', `${nameOf(first)} and ${nameOf(second)} stand under it`, second.table);
    if (!line && first) report('row-without-line', `${nameOf(first)} has no line`, 'stream_log');
    if (line && !first && !this.#run.dismissed.has(stream, sequence)) {
      const known = this.#run.isTainted('event', stream, sequence);
      if (!known)
        report('line-without-row', `${line.kind} ${line.id} was received, but has no row`, 'stream_log');
    }
    if (!line || !first?.event || !first.digest || this.#run.isTainted('event', stream, sequence)) return;
    const stated = lineStateOf(stream, first.event, first.digest);
    const differing = [
      ...(stated.kind === line.kind ? [] : ['kind']),
      ...(stated.id === line.id ? [] : ['id']),
      ...(stated.digest.equals(line.digest) ? [] : ['digest']),
    ];
    if (differing.length > 0)
      report(
        'line-mismatch',
        `${differing.join(', ')} of the line not as in the row of ${nameOf(first)}`,
        'stream_log',
      );
  }

  /** A hole, without the sequences that are reported as rows without a line. */
  #reportHole({ stream, first, last }: Hole, withRow: readonly bigint[]): void {
    const within = withRow
      .filter((sequence) => sequence >= first && sequence <= last)
      .sort((a, b) => (a < b ? -1 : 1));
    let from = first;
    for (const sequence of [...within, last + 1n]) {
      if (sequence > from) {
        const to = sequence - 1n;
        const which = from === to ? `sequence ${from} has` : `sequences ${from} to ${to} have`;
        const detail = `${which} no line in the log of stream ${stream}, though the watermark is past`;
        this.#run.report({ kind: 'line-missing', detail, table: 'stream_log', stream, sequence: `${from}` });
      }
      from = sequence + 1n;
    }
  }

  #place(stream: string, sequence: bigint): Place {
    const key = `${stream}/${sequence}`;
    let place = this.#places.get(key);
    if (!place) {
      place = { stream, sequence, events: [] };
      this.#places.set(key, place);
    }
    return place;
  }
}

function nameOf({ event, stream, sequence, table }: CheckedEvent): string {
  return event ? describeEvent(event) : `a row of ${table} (stream ${stream}, sequence ${sequence})`;
}
