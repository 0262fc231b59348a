/** From statements with their values to mutations, to the rows that a SELECT asks for, and to rows as the driver gives them. */
import { compare, timeOf, valueOf, type Row, type Value } from './cells.ts';
import type { Mutation } from './replica.ts';
import type { Condition, ReadStatement, Table, WriteStatement } from './statements.ts';

export type Params = readonly unknown[];

/** A row as the driver hands it out. */
export type ResultRow = Record<string, Value | null>;

function text(value: unknown): string {
  return value instanceof Date ? String(value.getTime()) : `${value as bigint}`;
}

/** The name of a table's partition: the key's values are at these places. */
function partitionName(table: Table, values: Params, places: readonly number[]): string {
  let { name } = table;
  for (const at of places) name += `|${text(values[at])}`;
  return name;
}

/** The name of a row within its partition. */
function clusteringName(values: Params, places: readonly number[]): string {
  let name = '';
  for (let place = 0; place < places.length; place += 1)
    name =
      place === 0 ? text(values[places[0] as number]) : `${name}|${text(values[places[place] as number])}`;
  return name;
}

function isCell(value: unknown): value is Buffer {
  return Buffer.isBuffer(value);
}

/** A value as it is stored: cells that the product encoded itself are read, as the server would. */
function writtenValue(
  { places, decoders }: WriteStatement,
  params: Params,
  at: number,
): Value | null | undefined {
  const value = params[places[at] ?? -1] as Value | null | undefined;
  return isCell(value) ? decoders[at]?.(value) : value;
}

/** The row that a statement writes. `nowMs` gives the write time where it states none. */
export function mutationOf(statement: WriteStatement, params: Params, nowMs: number): Mutation {
  const { table, columns, places, timestampAt, partitionAt, clusteringAt } = statement;
  const values: (Value | undefined)[] = [];
  for (let at = 0; at < places.length; at += 1) {
    const value = writtenValue(statement, params, at);
    if (value === null) throw new Error(`a null is a deletion (I3): ${table.name}, parameter ${at}`);
    values.push(value);
  }
  const partition = partitionName(table, values, partitionAt);
  const clustering = clusteringName(values, clusteringAt);
  return { partition, clustering, row: { columns, values, time: timeOfWrite(params, timestampAt, nowMs) } };
}

function timeOfWrite(params: Params, timestampAt: number | undefined, nowMs: number): bigint {
  const time = timestampAt === undefined ? undefined : params[timestampAt];
  if (time === undefined) return BigInt(Math.floor(nowMs * 1_000));
  return isCell(time) ? time.readBigInt64BE() : (time as bigint);
}

/** The row that a lightweight transaction leaves: what stood there, changed, all of one time. A null empties a cell. */
export function changedRow(
  statement: WriteStatement,
  params: Params,
  before: Row | undefined,
  nowMs: number,
): Pick<Mutation, 'partition' | 'clustering' | 'row'> {
  const { table, places, partitionAt, clusteringAt } = statement;
  const values = places.map((at) => params[at]);
  const cells = new Map<string, Value | undefined>();
  if (before) for (const column of before.columns.keys()) cells.set(column, valueOf(before, column));
  for (const [column, at] of statement.columns)
    cells.set(column, writtenValue(statement, params, at) ?? undefined);
  return {
    partition: partitionName(table, values, partitionAt),
    clustering: clusteringName(values, clusteringAt),
    row: {
      columns: new Map([...cells.keys()].map((column, at) => [column, at])),
      values: [...cells.values()],
      time: BigInt(Math.floor(nowMs * 1_000)),
    },
  };
}

/** One set of values for each partition that a SELECT asks for: the server reads each by itself. */
export function byPartitionKey({ severalAt }: ReadStatement, params: Params): Params[] {
  if (severalAt === undefined) return [params];
  return (params[severalAt] as readonly unknown[]).map((value) =>
    params.map((one, at) => (at === severalAt ? value : one)),
  );
}

/** Which rows a SELECT asks for. */
export interface Asked {
  readonly partition: string;
  /** The rows' names where they are known; undefined: all that fit. */
  readonly clusterings: readonly string[] | undefined;
  fits(row: Row): boolean;
}

/** What a SELECT with these values asks for. */
export function askedBy(statement: ReadStatement, params: Params): Asked {
  const { table, rest, partitionAt, clusteringAt, clusteringListAt } = statement;
  let clusterings: string[] | undefined;
  if (clusteringAt) clusterings = [clusteringName(params, clusteringAt)];
  else if (clusteringListAt !== undefined)
    clusterings = (params[clusteringListAt] as readonly unknown[]).map(text);
  return {
    partition: partitionName(table, params, partitionAt),
    clusterings,
    fits: (row) => rest.every((condition) => holds(condition, row, params)),
  };
}

function holds({ column, operator, at }: Condition, row: Row, params: Params): boolean {
  const value = valueOf(row, column);
  if (value === undefined) return operator === '=' && (params[at] ?? null) === null;
  if ((params[at] ?? null) === null) return false;
  if (operator === 'IN') return (params[at] as readonly Value[]).some((one) => compare(value, one) === 0);
  const order = compare(value, params[at] as Value);
  if (operator === '=') return order === 0;
  if (operator === '>') return order > 0;
  if (operator === '<') return order < 0;
  return operator === '<=' ? order <= 0 : order >= 0;
}

/** True where a row is as an IF states. */
export function meets(conditions: readonly Condition[], row: Row | undefined, params: Params): boolean {
  return row !== undefined && conditions.every((condition) => holds(condition, row, params));
}

/** Rows as the driver gives them, in the order of the clustering key. */
export function resultOf(statement: ReadStatement, rows: readonly Row[]): ResultRow[] {
  const { table, selected, descending, limit } = statement;
  const sorted = rows.length < 2 ? rows : [...rows].sort((a, b) => orderOf(table, a, b));
  if (descending) (sorted as Row[]).reverse();
  return sorted.slice(0, limit).map((row) => {
    const result: ResultRow = {};
    for (const { name, column, isTime } of selected)
      result[name] = (isTime ? timeOf(row, column) : valueOf(row, column)) ?? null;
    return result;
  });
}

function orderOf(table: Table, a: Row, b: Row): number {
  for (const column of table.clustering) {
    const [ofA, ofB] = [valueOf(a, column), valueOf(b, column)];
    const order = ofA === undefined || ofB === undefined ? 0 : compare(ofA, ofB);
    if (order !== 0) return order;
  }
  return 0;
}
