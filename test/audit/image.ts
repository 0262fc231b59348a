/**
 * A database as it was settled, to be damaged and put back: every row of the audited tables is kept, and a table is
 * rewritten as a whole, so that damage carries the write times that settling would have given it. Only what the audit
 * reads out of the values can then give it away.
 */
import type { Client, types } from 'cassandra-driver';
import pLimit from 'p-limit';

/** One row by its columns; a column that is undefined is not written. */
export type Row = Record<string, unknown>;

/** Tables that an image holds, with the column whose value is their rows' write time. */
const WRITE_TIME = {
  user_balances: 'version',
  ledger_entries: 'version',
  settled_trades: 'sequence',
  ledger_events: 'sequence',
  stream_log: 'sequence',
  streams: 'watermark',
  quarantined_events: 'sequence',
} as const;

/** A table of an image. */
export type ImageTable = keyof typeof WRITE_TIME;

const WRITES_AT_ONCE = 128;

/** What a database held when the image was taken. */
export class Image {
  readonly #client: Client;
  readonly #rows = new Map<ImageTable, readonly Row[]>();
  readonly #damaged = new Set<ImageTable>();

  private constructor(client: Client) {
    this.#client = client;
  }

  static async take(client: Client): Promise<Image> {
    const image = new Image(client);
    for (const table of Object.keys(WRITE_TIME) as ImageTable[]) {
      const rows: Row[] = [];
      const result = await client.execute(`SELECT * FROM ${table}`, [], { prepare: true, fetchSize: 1_000 });
      for await (const row of result) rows.push(rowOf(row));
      image.#rows.set(table, rows);
    }
    return image;
  }

  /** Copies of a table's rows. */
  rows(table: ImageTable): Row[] {
    return (this.#rows.get(table) ?? []).map((row) => ({ ...row }));
  }

  /** Rewrites a table with changed rows. */
  async write(table: ImageTable, rows: readonly Row[]): Promise<void> {
    this.#damaged.add(table);
    await this.#rewrite(table, rows);
  }

  /** Changes the rows that a test picks. */
  async change(table: ImageTable, pick: (row: Row) => boolean, change: (row: Row) => Row): Promise<void> {
    await this.write(
      table,
      this.rows(table).map((row) => (pick(row) ? change(row) : row)),
    );
  }

  /** Leaves out the rows that a test picks. */
  async remove(table: ImageTable, pick: (row: Row) => boolean): Promise<void> {
    await this.write(
      table,
      this.rows(table).filter((row) => !pick(row)),
    );
  }

  /** A statement at the default clock, as a hand would send it. */
  async byHand(table: ImageTable, query: string, params: readonly unknown[]): Promise<void> {
    this.#damaged.add(table);
    await this.#client.execute(query, params as unknown[], { prepare: true });
  }

  /** Puts everything back. */
  async restore(): Promise<void> {
    for (const table of this.#damaged) await this.#rewrite(table, this.#rows.get(table) ?? []);
    this.#damaged.clear();
  }

  async #rewrite(table: ImageTable, rows: readonly Row[]): Promise<void> {
    await this.#client.execute(`TRUNCATE ${table}`, [], { prepare: false, readTimeout: 60_000 });
    const bounded = pLimit(WRITES_AT_ONCE);
    await Promise.all(
      rows.map((row) =>
        bounded(() => {
          const columns = Object.keys(row).filter((column) => row[column] !== undefined);
          const marks = columns.map(() => '?').join(', ');
          const time = row[WRITE_TIME[table]] ?? 1n;
          return this.#client.execute(
            `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${marks}) USING TIMESTAMP ?`,
            [...columns.map((column) => row[column]), time],
            { prepare: true },
          );
        }),
      ),
    );
  }
}

function rowOf(row: types.Row): Row {
  return Object.fromEntries(row.keys().flatMap((name) => (row[name] === null ? [] : [[name, row[name]]])));
}
