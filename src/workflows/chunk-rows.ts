/**
 * A chunk's rows as the workflow sees them: lines with a sequence in front, never read further (I9). Here a chunk is
 * checked at its outermost level, and cut down to the rows that remain, so that nothing is dropped and nothing is
 * handed to a partition that does not own it (I6). What the columns say is the activity's business.
 */
import { LEDGER_COLUMNS, sequenceOfRow, TRADE_COLUMNS } from '../domain/chunk.ts';
import type { Rows } from '../domain/chunk.ts';
import { parseUint63 } from '../domain/integers.ts';
import type { Chunk } from './contract.ts';

/** Faults that a message about one chunk names at most. */
const FAULTS_NAMED_MAX = 5;

/** The sequences of a chunk, ascending, each as it stands in its row. */
export function sequencesOf(chunk: Chunk): string[] {
  const trades = chunk.trades.rows.map(sequenceOfRow);
  const ledgerEvents = chunk.ledgerEvents.rows.map(sequenceOfRow);
  if (trades.length === 0) return ledgerEvents;
  if (ledgerEvents.length === 0) return trades;
  return [...trades, ...ledgerEvents].sort(compareDecimals);
}

/** How many events a chunk holds. */
export function sizeOf(chunk: Chunk): number {
  return chunk.trades.rows.length + chunk.ledgerEvents.rows.length;
}

/** True if the chunk holds the event of that sequence. */
export function holds(chunk: Chunk, sequence: string): boolean {
  const isIt = (row: string): boolean => sequenceOfRow(row) === sequence;
  return chunk.trades.rows.some(isIt) || chunk.ledgerEvents.rows.some(isIt);
}

/** The same chunk with only those rows. It keeps `first` and `last`: the name under which it was sent (I11). */
export function keepRows(chunk: Chunk, sequences: readonly string[]): Chunk {
  const kept = new Set(sequences);
  const cut = (rows: Rows): Rows => ({
    columns: rows.columns,
    rows: rows.rows.filter((row) => kept.has(sequenceOfRow(row))),
  });
  return { ...chunk, trades: cut(chunk.trades), ledgerEvents: cut(chunk.ledgerEvents) };
}

/** Orders canonical decimal strings by value, without turning them into numbers. */
export function compareDecimals(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/**
 * What is wrong with a chunk at its outermost level: whose it is, its numbers, its columns, its rows' sequences.
 *
 * @returns the faults as one text, or undefined where there are none. Never throws, whatever the chunk is.
 */
export function faultsOfChunk(chunk: Chunk, stream: string, partition: number): string | undefined {
  const faults: string[] = [];
  try {
    if (chunk.stream !== stream) faults.push(`it is of stream "${chunk.stream}", not "${stream}"`);
    if (chunk.partition !== partition) faults.push(`it is of partition ${chunk.partition}, not ${partition}`);
    if (!Number.isSafeInteger(chunk.try) || chunk.try < 0) faults.push(`"${chunk.try}" is no try number`);
    parseUint63(chunk.lease, 'lease');
    faultsOfLimits(chunk.limits, faults);
    const first = parseUint63(chunk.first, 'first');
    const last = parseUint63(chunk.last, 'last');
    faultsOfRows('trades', chunk.trades, TRADE_COLUMNS, faults);
    faultsOfRows('ledgerEvents', chunk.ledgerEvents, LEDGER_COLUMNS, faults);
    const sequences = sequencesOf(chunk).map((sequence) => parseUint63(sequence, 'sequence'));
    if (sequences.length === 0) faults.push('it holds no events');
    else if (sequences[0] !== first || sequences.at(-1) !== last)
      faults.push(`its rows go from ${sequences[0]} to ${sequences.at(-1)}, not from ${first} to ${last}`);
    const at = sequences.findIndex(
      (sequence, index) => index > 0 && sequence <= (sequences[index - 1] ?? 0n),
    );
    if (at > 0) faults.push(`sequence ${sequences[at]} stands behind ${sequences[at - 1]}`);
  } catch (error) {
    faults.push(error instanceof RangeError ? error.message : `it is no chunk (${String(error)})`);
  }
  return faults.length === 0 ? undefined : `bad chunk: ${faults.slice(0, FAULTS_NAMED_MAX).join('; ')}`;
}

function faultsOfLimits(limits: Chunk['limits'], faults: string[]): void {
  for (const [name, value] of Object.entries(limits ?? {}))
    if (!(typeof value === 'number' && value > 0)) faults.push(`"${String(value)}" is no limit ${name}`);
}

function faultsOfRows(name: string, rows: Rows, columns: string, faults: string[]): void {
  const odd = rows.rows.find((row) => typeof row !== 'string');
  if (odd !== undefined) faults.push(`a row of ${name} is no text`);
  if (rows.rows.length > 0 && rows.columns !== columns)
    faults.push(`${name} have columns "${rows.columns}"; this version reads "${columns}"`);
}
