/**
 * The statements that the product sends, understood: each text is read once. What is none of the few shapes that
 * `src/ledger` uses is refused by its text, so that a new statement is noticed here and not passed over.
 */
import type { Value } from './cells.ts';
import { MIGRATIONS } from '../../src/ledger/migrate.ts';

/** A table's primary key. */
export interface Table {
  readonly name: string;
  /** Types of its columns. */
  readonly types: ReadonlyMap<string, string>;
  readonly partition: readonly string[];
  readonly clustering: readonly string[];
}

/** One condition of a WHERE or IF; its value is the parameter at `at`. */
export interface Condition {
  readonly column: string;
  readonly operator: '=' | 'IN' | '>' | '<=' | '>=' | '<';
  /** NO_PARAMETER for a null in the text. */
  readonly at: number;
}

/** A null that stands in the statement itself. */
export const NO_PARAMETER = -1;

/** Reads a cell. */
export type Decode = (cell: Buffer) => Value;

/** INSERT or UPDATE. */
export interface WriteStatement {
  readonly kind: 'write';
  readonly table: Table;
  /** Columns that are written, and where their values stand among the parameters. */
  readonly columns: ReadonlyMap<string, number>;
  readonly places: readonly number[];
  /** Where among the columns those of the key stand. */
  readonly partitionAt: readonly number[];
  readonly clusteringAt: readonly number[];
  /** How a cell that is encoded already is read, for each column. */
  readonly decoders: readonly Decode[];
  readonly timestampAt: number | undefined;
  readonly ifNotExists: boolean;
  readonly conditions: readonly Condition[];
}

/** A column, or a WRITETIME, of a SELECT. */
export interface Selected {
  readonly name: string;
  readonly column: string;
  readonly isTime: boolean;
}

/** SELECT. */
export interface ReadStatement {
  readonly kind: 'read';
  readonly table: Table;
  readonly selected: readonly Selected[];
  readonly conditions: readonly Condition[];
  /** Place of the value of each column of the partition key. */
  readonly partitionAt: readonly number[];
  /** The place of several values of one of them, of which each is a partition of its own. */
  readonly severalAt: number | undefined;
  /** Conditions upon other columns. */
  readonly rest: readonly Condition[];
  /** Places of the clustering key's values where all of them are stated, or of a list of such keys. */
  readonly clusteringAt: readonly number[] | undefined;
  readonly clusteringListAt: number | undefined;
  readonly descending: boolean;
  readonly limit: number;
}

export type Statement = WriteStatement | ReadStatement;

const TABLES = new Map<string, Table>(
  MIGRATIONS.flatMap(({ statements }) => statements).flatMap((text) => {
    const created = /CREATE TABLE IF NOT EXISTS (\w+) \(([^]*)\)/.exec(text);
    if (!created) return [];
    const [, name = '', body = ''] = created;
    const compound = /PRIMARY KEY \(\(([^)]*)\)(?:, ([^)]*))?\)/.exec(body);
    const plain = /PRIMARY KEY \((\w+)(?:, ([^)]*))?\)/.exec(body);
    const inline = /(\w+) \w+ PRIMARY KEY/.exec(body);
    const partition = list(compound?.[1] ?? plain?.[1] ?? inline?.[1]);
    const clustering = list(compound ? compound[2] : plain?.[2]);
    const types = new Map<string, string>();
    for (const [, column = '', type = ''] of body.matchAll(
      /(\w+) (bigint|int|timestamp|text|boolean|blob)\b/g,
    ))
      types.set(column, type);
    return [[name, { name, types, partition, clustering }]];
  }),
);
for (const text of MIGRATIONS.flatMap(({ statements }) => statements)) {
  const [, name = '', body = ''] = /ALTER TABLE (\w+) ADD ([^]*)/.exec(text) ?? [];
  const types = TABLES.get(name)?.types as Map<string, string> | undefined;
  for (const [, column = '', type = ''] of body.matchAll(/(\w+) (bigint|int|timestamp|text|boolean|blob)\b/g))
    types?.set(column, type);
}

const verbatim: Decode = (cell) => cell;

/** CQL binary protocol v4, section 6. */
const DECODERS: Readonly<Record<string, Decode>> = {
  bigint: (cell) => cell.readBigInt64BE(),
  int: (cell) => cell.readInt32BE(),
  timestamp: (cell) => new Date(Number(cell.readBigInt64BE())),
  text: (cell) => cell.toString(),
  boolean: (cell) => cell.readInt8() !== 0,
};

const known = new Map<string, Statement>();

/** Understands a statement. Throws Error with its text if it is none of the shapes known here. */
export function understand(query: string): Statement {
  let statement = known.get(query);
  if (!statement) {
    statement = parse(query.replace(/\s+/g, ' ').trim());
    known.set(query, statement);
  }
  return statement;
}

function list(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(',').map((one) => one.trim());
}

function tableOf(name: string | undefined, query: string): Table {
  const table = TABLES.get(name ?? '');
  if (!table) throw new Error(`the simulated database has no such table: ${query}`);
  return table;
}

function parse(query: string): Statement {
  const insert =
    /^INSERT INTO (\w+) \(([^)]*)\) VALUES \(([?, ]*)\)( IF NOT EXISTS)?(?: USING (?:TTL \? AND )?TIMESTAMP \?)?$/.exec(
      query,
    );
  if (insert) return parseInsert(query, insert);
  const update = /^UPDATE (\w+)( USING TIMESTAMP \?)? SET (.*?) WHERE (.*?)(?: IF (.*))?$/.exec(query);
  if (update) return parseUpdate(query, update);
  const select = /^SELECT (.*?) FROM (\w+)(?: WHERE (.*?))?( ORDER BY \w+ DESC)?(?: LIMIT (\d+))?$/.exec(
    query,
  );
  if (select) {
    const table = tableOf(select[2], query);
    const { conditions } = conditionsOf(query, select[3], 0);
    return {
      kind: 'read',
      table,
      selected: list(select[1]).map(selectedOf),
      conditions,
      ...keysOf(table, conditions),
      descending: select[4] !== undefined,
      limit: Number(select[5] ?? Infinity),
    };
  }
  throw new Error(`the simulated database does not understand: ${query}`);
}

function keysOf(
  table: Table,
  conditions: readonly Condition[],
): Pick<ReadStatement, 'partitionAt' | 'severalAt' | 'rest' | 'clusteringAt' | 'clusteringListAt'> {
  const placeOf = (column: string): number =>
    conditions.find((condition) => condition.column === column)?.at ?? NO_PARAMETER;
  const rest = conditions.filter(({ column }) => !table.partition.includes(column));
  const isWhole = rest.length === table.clustering.length && rest.every(({ operator }) => operator === '=');
  const [last] = rest;
  const isList =
    !isWhole && rest.length === 1 && last?.operator === 'IN' && last.column === table.clustering[0];
  return {
    partitionAt: table.partition.map(placeOf),
    severalAt: conditions.find(
      ({ column, operator }) => operator === 'IN' && table.partition.includes(column),
    )?.at,
    rest,
    clusteringAt: isWhole ? table.clustering.map(placeOf) : undefined,
    clusteringListAt: isList ? last.at : undefined,
  };
}

function parseInsert(query: string, [, name, names, marks, ifNotExists]: RegExpExecArray): WriteStatement {
  const table = tableOf(name, query);
  const columns = list(names);
  if (list(marks).length !== columns.length) throw new Error(`columns and values differ: ${query}`);
  return writeOf(
    table,
    columns,
    columns.map((_, at) => at),
    {
      timestampAt: query.endsWith('TIMESTAMP ?') ? columns.length : undefined,
      ifNotExists: ifNotExists !== undefined,
      conditions: [],
    },
  );
}

function parseUpdate(query: string, [, name, using, set, where, condition]: RegExpExecArray): WriteStatement {
  const table = tableOf(name, query);
  let at = using === undefined ? 0 : 1;
  const columns: string[] = [];
  const places: number[] = [];
  const { conditions: settings, next } = conditionsOf(query, set, at, ',');
  at = next;
  const keys = conditionsOf(query, where, at);
  at = keys.next;
  for (const one of [...settings, ...keys.conditions]) {
    if (one.operator !== '=') throw new Error(`the simulated database does not understand: ${query}`);
    columns.push(one.column);
    places.push(one.at);
  }
  return writeOf(table, columns, places, {
    timestampAt: using === undefined ? undefined : 0,
    ifNotExists: false,
    conditions: condition === undefined ? [] : conditionsOf(query, condition, at).conditions,
  });
}

function writeOf(
  table: Table,
  columns: readonly string[],
  places: readonly number[],
  more: Pick<WriteStatement, 'timestampAt' | 'ifNotExists' | 'conditions'>,
): WriteStatement {
  const columnAt = (key: string): number => {
    const at = columns.indexOf(key);
    if (at < 0) throw new Error(`${table.name} is written without its key column ${key}`);
    return at;
  };
  return {
    kind: 'write',
    table,
    columns: new Map(columns.map((column, at) => [column, at])),
    decoders: columns.map((column) => DECODERS[table.types.get(column) ?? ''] ?? verbatim),
    places,
    partitionAt: table.partition.map(columnAt),
    clusteringAt: table.clustering.map(columnAt),
    ...more,
  };
}

function conditionsOf(
  query: string,
  text: string | undefined,
  from: number,
  separator: ',' | ' AND ' = ' AND ',
): { conditions: Condition[]; next: number } {
  if (text === undefined) return { conditions: [], next: from };
  let at = from;
  const conditions = text.split(separator).map((one): Condition => {
    const found = /^(\w+) (=|IN|>|<=|>=|<) (\?|null)$/.exec(one.trim());
    if (!found) throw new Error(`the simulated database does not understand "${one}" in: ${query}`);
    const place = found[3] === 'null' ? NO_PARAMETER : at;
    if (place !== NO_PARAMETER) at += 1;
    return { column: found[1] ?? '', operator: found[2] as Condition['operator'], at: place };
  });
  return { conditions, next: at };
}

function selectedOf(text: string): Selected {
  const time = /^WRITETIME\((\w+)\)(?: AS (\w+))?$/.exec(text);
  if (time) return { name: time[2] ?? text, column: time[1] ?? '', isTime: true };
  return { name: text, column: text, isTime: false };
}
