/**
 * Cells of a row as an audit selects them: each regular column with its write time, so that a row written by hand shows,
 * even where its values are right (I3).
 */
import type { types } from 'cassandra-driver';
import type { AuditedTable, Finding } from './finding.ts';

/** One table's columns as they are read. */
export class Cells {
  readonly table: AuditedTable;
  /** `SELECT …, WRITETIME(…) … FROM table`. */
  readonly select: string;
  readonly #columns: readonly (readonly [name: string, written: string])[];
  readonly #optional: readonly string[];

  /** @param optional columns that a row of ours may lack */
  constructor(
    table: AuditedTable,
    keyColumns: readonly string[],
    columnList: string,
    optional: readonly string[] = [],
  ) {
    this.table = table;
    this.#optional = optional;
    const regular = columnList
      .split(', ')
      .filter((column) => !keyColumns.includes(column) && !column.startsWith('WRITETIME'));
    this.#columns = regular.map((column) => [column, `${column}_written`]);
    const selected = this.#columns.flatMap(([name, written]) => [name, `WRITETIME(${name}) AS ${written}`]);
    this.select = `SELECT ${[...keyColumns, ...selected].join(', ')} FROM ${table}`;
  }

  /** Columns without a value: a row of ours has none. */
  missing(row: types.Row): string[] {
    return this.#columns
      .filter(([name]) => row[name] === null && !this.#optional.includes(name))
      .map(([name]) => name);
  }

  /** Columns that were not written at the time that the row's version or sequence gives. */
  writtenOtherwise(row: types.Row, expected: bigint): string[] {
    const names: string[] = [];
    for (const [name, written] of this.#columns) {
      const time = row[written] as bigint | null;
      if (time !== null && time !== expected) names.push(name);
    }
    return names;
  }

  /** Findings of both kinds. `place` says in words which row it is, `ids` by its ids. */
  faults(
    row: types.Row,
    expected: bigint | null,
    place: string,
    ids: Pick<Finding, 'stream' | 'sequence' | 'trade' | 'user' | 'asset' | 'version'>,
  ): { readonly missing: readonly string[]; readonly findings: readonly Finding[] } {
    const missing = this.missing(row);
    const findings: Finding[] = [];
    if (missing.length > 0)
      findings.push({
        kind: 'cell',
        detail: `${place} has no ${missing.join(', ')}`,
        table: this.table,
        ...ids,
        columns: missing,
      });
    const written = expected === null ? [] : this.writtenOtherwise(row, expected);
    if (written.length > 0)
      findings.push({
        kind: 'write-time',
        detail: `${place}: ${written.join(', ')} not written at time ${expected}, but by hand`,
        table: this.table,
        ...ids,
        columns: written,
      });
    return { missing, findings };
  }
}
