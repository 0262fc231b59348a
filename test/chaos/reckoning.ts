/**
 * What a run lost and what it doubled, counted row by row against the engine's books. It reads the tables as any reader
 * would and shares nothing with the product's own audit, which is run beside it.
 */
import type { Client } from 'cassandra-driver';
import { eventName, type Books } from './books.ts';

/** The count. */
export interface Reckoning {
  /** Event rows that were read. */
  readonly events: number;
  /** Events of the engine that have no row of their own, or fewer entries than they make. */
  readonly lost: number;
  /** Events with more than one row or more entries than they make, and rows and entries of events that the engine does not know. */
  readonly doubled: number;
  /** The first few of either, in words. */
  readonly examples: readonly string[];
}

const PAGE_ROWS = 5_000;
const EXAMPLES_MAX = 5;

/** Counts. */
export async function reckon(client: Client, stream: string, books: Books): Promise<Reckoning> {
  const rows = new Uint8Array(books.events + 1);
  const entries = new Uint8Array(books.events + 1);
  const examples: string[] = [];
  const tell = (example: string): void => {
    if (examples.length < EXAMPLES_MAX) examples.push(example);
  };
  let [events, lost, doubled] = [0, 0, 0];
  const note = (sequence: bigint, name: string): void => {
    events += 1;
    const index = Number(sequence);
    if (books.nameOf[index] !== name) {
      doubled += 1;
      tell(
        `${name} stands under sequence ${sequence}, where the engine has ${books.nameOf[index] ?? 'none'}`,
      );
    } else rows[index]! += 1;
  };
  for await (const row of all(client, 'SELECT stream, sequence, trade_id FROM settled_trades'))
    if (row['stream'] === stream)
      note(row['sequence'] as bigint, eventName('trade', row['trade_id'] as bigint));
  for await (const row of all(client, 'SELECT stream, sequence, kind, sequence_id FROM ledger_events'))
    if (row['stream'] === stream)
      note(row['sequence'] as bigint, eventName(String(row['kind']), row['sequence_id'] as bigint));
  for await (const row of all(client, 'SELECT stream, sequence FROM ledger_entries')) {
    if (row['stream'] !== stream) continue;
    const index = Number(row['sequence']);
    if (index >= 1 && index <= books.events) entries[index]! += 1;
    else {
      doubled += 1;
      tell(`an entry is of sequence ${index}, which the engine does not have`);
    }
  }
  for (let sequence = 1; sequence <= books.events; sequence += 1) {
    const [found, made, name] = [rows[sequence]!, entries[sequence]!, books.nameOf[sequence]];
    const due = books.entriesOf[sequence]!;
    if (found === 0 || made < due) {
      lost += 1;
      tell(`sequence ${sequence} (${name}) has ${found} rows and ${made} of ${due} entries`);
    }
    if (found > 1 || made > due) {
      doubled += 1;
      tell(`sequence ${sequence} (${name}) has ${found} rows and ${made} entries, where ${due} are due`);
    }
  }
  return { events, lost, doubled, examples };
}

function all(client: Client, query: string): AsyncIterable<Record<string, unknown>> {
  return {
    async *[Symbol.asyncIterator]() {
      const result = await client.execute(query, [], { prepare: true, fetchSize: PAGE_ROWS, autoPage: true });
      for await (const row of result) yield row;
    },
  };
}
