/**
 * What must hold when a run is over: the database is the oracle's book. Each sequence has one line and one row, each
 * version of each balance one entry, nothing stands there beside them, and every write time is what it has to be (I3).
 */
import { timeOf, valueOf, type Row } from './cells.ts';
import { contentFaults } from './content.ts';
import type { Database } from './database.ts';
import type { Engine } from './engine.ts';
import type { BookedStep } from './market.ts';
import {
  balancePlace,
  entryPlace,
  eventPlace,
  linePlace,
  missingOf,
  saysTheSame,
  type Place,
} from './stored.ts';

const FAULTS_MAX = 8;

/** Compares a database with an engine's book, all of it. Returns what differs, in words; empty where nothing does. */
export function differencesAtEnd(database: Database, engine: Engine): string[] {
  const faults: string[] = [];
  const expected = new Map<string, Set<string>>();
  const last = new Map<string, BookedStep>();
  for (const event of engine.stated) {
    const { sequence } = event;
    const missing = missingOf(database, event);
    if (missing !== undefined) faults.push(`lost: sequence ${sequence} lacks ${missing}`);
    const line = database.rowAnywhere(...linePlace(sequence));
    const row = database.rowAnywhere(...eventPlace(event));
    if (line && row && Buffer.compare(digestOf(line), digestOf(row)) !== 0)
      faults.push(`the line of sequence ${sequence} and its row have other digests`);
    if (line)
      faults.push(...wrongTimes(line, `line ${sequence}`, sequence, ['kind', 'id', 'digest', 'lease']));
    if (row)
      faults.push(...wrongTimes(row, `row of ${sequence}`, sequence, ['digest', 'legs', 'settled_by']));
    expect(expected, linePlace(sequence));
    expect(expected, eventPlace(event));
    for (const step of event.steps) {
      last.set(`${step.user}/${step.asset}`, step);
      expect(expected, entryPlace(step));
      expect(expected, balancePlace(step));
      const entry = database.rowAnywhere(...entryPlace(step));
      if (entry)
        faults.push(
          ...wrongTimes(entry, `entry ${step.version} of ${step.user}/${step.asset}`, step.version, [
            'sequence',
            'chain',
          ]),
        );
    }
  }
  for (const step of last.values()) faults.push(...balanceFaults(database, step));
  faults.push(...contentFaults(database, engine));
  faults.push(...strangers(database, expected));
  return faults.slice(0, FAULTS_MAX);
}

/**
 * What an engine's misbehaviour must not have done: nothing that never happened is settled, and what is settled is what
 * was stated, with the balances that the oracle has for it.
 */
export function differencesAfterMisbehaviour(
  database: Database,
  engine: Engine,
  foreign: ReadonlyMap<string, bigint>,
): string[] {
  const faults: string[] = [];
  for (const event of engine.stated) {
    const row = database.rowAnywhere(...eventPlace(event));
    if (!row) continue;
    if (engine.bad.has(event.sequence))
      faults.push(`sequence ${event.sequence} never happened and is settled`);
    else if (!saysTheSame(event, row)) faults.push(`sequence ${event.sequence} is settled as something else`);
    for (const step of event.steps) {
      const taken = foreign.get(`${step.user}/${step.asset}`);
      if (taken !== undefined && step.version >= taken)
        faults.push(
          `sequence ${event.sequence} is settled upon another's version of ${step.user}/${step.asset}`,
        );
      const entry = database.rowAnywhere(...entryPlace(step));
      if (entry && valueOf(entry, 'sequence') !== step.sequence)
        faults.push(`entry ${step.version} of ${step.user}/${step.asset} is of another event`);
    }
  }
  return faults.slice(0, FAULTS_MAX);
}

function balanceFaults(database: Database, step: BookedStep): string[] {
  const name = `balance ${step.user}/${step.asset}`;
  const row = database.rowAnywhere(...balancePlace(step));
  const entry = database.rowAnywhere(...entryPlace(step));
  if (!row || !entry) return [`${name} or its last entry is missing`];
  const faults = wrongTimes(row, name, step.version, [
    'available',
    'frozen',
    'version',
    'last_sequence',
    'chain',
  ]);
  const wanted = {
    available: step.available,
    frozen: step.frozen,
    version: step.version,
    last_sequence: step.sequence,
  };
  for (const [column, value] of Object.entries(wanted))
    if (valueOf(row, column) !== value)
      faults.push(`${name}: ${column} is ${valueOf(row, column) as bigint}, the engine's book says ${value}`);
  if (Buffer.compare(valueOf(row, 'chain') as Buffer, valueOf(entry, 'chain') as Buffer) !== 0)
    faults.push(`${name}: its chain is not that of its last entry`);
  return faults;
}

function digestOf(row: Row): Buffer {
  return (valueOf(row, 'digest') as Buffer | undefined) ?? Buffer.alloc(0);
}

function wrongTimes(row: Row, name: string, time: bigint, columns: readonly string[]): string[] {
  const wrong = columns.find((column) => timeOf(row, column) !== time);
  return wrong === undefined
    ? []
    : [`I3: ${wrong} of ${name} was written at ${timeOf(row, wrong)}, not ${time}`];
}

const COUNTED = ['user_balances|', 'settled_trades|', 'ledger_events|', 'ledger_entries|', 'stream_log|'];

function expect(expected: Map<string, Set<string>>, [partition, clustering]: Place): void {
  const rows = expected.get(partition);
  if (rows) rows.add(clustering);
  else expected.set(partition, new Set([clustering]));
}

/** Rows that no event of the engine explains. */
function strangers(database: Database, expected: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const faults = new Set<string>();
  for (const replica of database.replicas)
    for (const partition of replica.partitions) {
      if (!COUNTED.some((prefix) => partition.startsWith(prefix))) continue;
      const rows = expected.get(partition);
      for (const clustering of replica.rows(partition).keys())
        if (rows?.has(clustering) !== true) faults.add(`a stranger: ${partition}/${clustering}`);
    }
  return [...faults];
}
