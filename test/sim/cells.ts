/**
 * Rows as a replica keeps them: each cell with the time of its write. The newer write of a cell wins; of equal times the
 * larger value does, as in Cassandra. A row that one statement wrote is kept as it was written and shared by replicas;
 * only rows that differ are taken apart.
 */

/** A cell's value. */
export type Value = bigint | number | string | boolean | Buffer | Date | readonly Buffer[];

/** A row as one statement wrote it, or as several did. Never changed. */
export interface Row {
  /** By column: shared by all rows of a statement. */
  readonly columns: ReadonlyMap<string, number>;
  readonly values: readonly (Value | undefined)[];
  /** One time for all cells, or one a cell. */
  readonly time: bigint | readonly bigint[];
}

/** Told where two writes of one cell at the same time differ: [column, both values]. */
export type TieListener = (column: string, a: Value, b: Value) => void;

/** A cell's value; undefined where it was never written. */
export function valueOf(row: Row, column: string): Value | undefined {
  const at = row.columns.get(column);
  return at === undefined ? undefined : row.values[at];
}

/** A cell's write time. */
export function timeOf(row: Row, column: string): bigint | undefined {
  const at = row.columns.get(column);
  if (at === undefined || row.values[at] === undefined) return undefined;
  return typeof row.time === 'bigint' ? row.time : row.time[at];
}

/** What two rows of one key make. Returns `a` or `b` itself where that says it all. */
export function merge(a: Row, b: Row, onTie: TieListener): Row {
  if (a === b) return a;
  if (a.columns === b.columns && typeof a.time === 'bigint' && typeof b.time === 'bigint') {
    if (a.time !== b.time && complete(a) && complete(b)) return a.time > b.time ? a : b;
    if (a.time === b.time && a.values.every((value, at) => same(value, b.values[at]))) return a;
  }
  return mergeCells(a, b, onTie);
}

function complete(row: Row): boolean {
  return row.values.every((value) => value !== undefined);
}

function mergeCells(a: Row, b: Row, onTie: TieListener): Row {
  const columns = a.columns === b.columns ? a.columns : union(a.columns, b.columns);
  const values: (Value | undefined)[] = [];
  const times: bigint[] = [];
  let isA = columns === a.columns;
  let isB = columns === b.columns;
  for (const column of columns.keys()) {
    const ofA = valueOf(a, column);
    const ofB = valueOf(b, column);
    const timeA = timeOf(a, column) ?? -1n;
    const timeB = timeOf(b, column) ?? -1n;
    let takesA = timeA > timeB;
    if (timeA === timeB && ofA !== undefined && ofB !== undefined) {
      const order = compare(ofA, ofB);
      if (order !== 0) onTie(column, ofA, ofB);
      takesA = order >= 0;
      if (order !== 0) {
        isA &&= takesA;
        isB &&= !takesA;
      }
    } else if (timeA !== timeB) {
      isA &&= takesA;
      isB &&= !takesA;
    }
    values.push(takesA ? ofA : ofB);
    times.push(takesA ? timeA : timeB);
  }
  if (isA) return a;
  if (isB) return b;
  const [first = -1n] = times;
  return { columns, values, time: times.every((time) => time === first) ? first : times };
}

function union(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const columns = new Map(a);
  for (const column of b.keys()) if (!columns.has(column)) columns.set(column, columns.size);
  return columns;
}

function same(a: Value | undefined, b: Value | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && compare(a, b) === 0);
}

/** Orders two values as the server orders their bytes. */
export function compare(a: Value, b: Value): number {
  if (Buffer.isBuffer(a) && Buffer.isBuffer(b)) return Buffer.compare(a, b);
  if (a instanceof Date && b instanceof Date) return a.getTime() - b.getTime();
  if (Array.isArray(a) || Array.isArray(b)) return String(a) < String(b) ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}
