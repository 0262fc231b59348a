/**
 * What the tests of the settler share: requests, attempts until nothing remains, and the database read back whole.
 */
import type { Client, types } from 'cassandra-driver';
import { contentDigest } from '../../src/domain/digest.ts';
import type { SettlementEvent } from '../../src/domain/event.ts';
import type { EventOutcome, RequestedEvent, SettlerPort } from '../../src/settlement/settle-request.ts';
import type { Books } from '../support/simulated.ts';

/** An event as a chunk brings it. */
export function requested(
  event: SettlementEvent,
  rest: Partial<Omit<RequestedEvent, 'event'>> = {},
): RequestedEvent {
  return { event, digest: contentDigest(event), predecessors: [], ...rest };
}

/** One attempt. */
export function attempt(
  settler: SettlerPort,
  events: readonly RequestedEvent[],
  rest: { stream?: string; attemptMs?: number; settledBy?: string; signal?: AbortSignal } = {},
): Promise<EventOutcome[]> {
  return settler.settle({ stream: 'main', settledBy: '{"test":true}', attemptMs: 10_000, events, ...rest });
}

/** Attempts as a workflow makes them: what remains is tried again, doubts are carried. Throws where one conflicts. */
export async function untilSettled(
  settler: SettlerPort,
  events: readonly RequestedEvent[],
  options: { attemptMs?: number; settledBy?: string; retries?: number } = {},
): Promise<void> {
  let left = events;
  let retries = options.retries ?? 0;
  for (let attempts = 0; left.length > 0; attempts += 1) {
    if (attempts > 400) throw new Error(`${left.length} events are still not settled`);
    let outcomes: EventOutcome[];
    try {
      outcomes = await attempt(settler, left, options);
    } catch (error) {
      retries -= 1;
      if (retries < 0) throw error;
      continue;
    }
    left = left.flatMap((one, at) => {
      const outcome = outcomes[at];
      if (outcome?.kind === 'settled') return [];
      if (outcome?.kind === 'conflict') throw new Error(`${one.event.sequence}: ${outcome.reason}`);
      return outcome?.kind === 'doubt' ? [{ ...one, doubtSinceMs: outcome.sinceMs }] : [one];
    });
  }
}

/** Every balance. */
export async function booksOf(client: Client): Promise<Books> {
  const books = new Map<string, string>();
  const rows = await all(client, 'SELECT user_id, asset_id, available, frozen, version FROM user_balances');
  for (const row of rows)
    books.set(
      `${row['user_id']}/${row['asset_id']}`,
      `${row['available']} ${row['frozen']} ${row['version']}`,
    );
  return books;
}

const WRITTEN: Readonly<Record<string, string>> = {
  user_balances: 'WRITETIME(available) AS wt1, WRITETIME(chain) AS wt2, WRITETIME(updated_at) AS wt3',
  settled_trades: 'WRITETIME(legs) AS wt1, WRITETIME(settled_by) AS wt2',
  ledger_events: 'WRITETIME(legs) AS wt1, WRITETIME(settled_by) AS wt2',
  ledger_entries: 'WRITETIME(chain) AS wt1, WRITETIME(available) AS wt2',
};

/** Every row of the tables that settling writes, with write times, as sorted text. */
export async function everything(client: Client, without: readonly string[] = []): Promise<string[]> {
  const dumped: string[] = [];
  for (const [table, times] of Object.entries(WRITTEN)) {
    const columns = await client.execute(
      'SELECT column_name FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?',
      [client.keyspace, table],
      { prepare: true },
    );
    const names = columns.rows
      .map((row) => row['column_name'] as string)
      .filter((name) => !without.includes(name));
    for (const row of await all(client, `SELECT ${names.join(', ')}, ${times} FROM ${table}`))
      dumped.push(
        `${table} ${JSON.stringify(row, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))}`,
      );
  }
  return dumped.sort();
}

/** Rows of a query, however many pages. */
export async function all(client: Client, query: string): Promise<types.Row[]> {
  const rows: types.Row[] = [];
  for await (const row of await client.execute(query, [], { prepare: true, fetchSize: 1_000 }))
    rows.push(row);
  return rows;
}

/**
 * The entries that stand in the database against each other and the balances: versions contiguous from 1, values that add
 * up, the balance's own at the end.
 */
export async function faultsOfEntries(client: Client): Promise<string[]> {
  const faults: string[] = [];
  const ends = new Map<string, { version: bigint; available: bigint; frozen: bigint; chain: string }>();
  const rows = await all(client, 'SELECT * FROM ledger_entries');
  rows.sort((a, b) => Number((a['version'] as bigint) - (b['version'] as bigint)));
  for (const row of rows) {
    const name = `${row['user_id']}/${row['asset_id']}`;
    const end = ends.get(name) ?? { version: 0n, available: 0n, frozen: 0n, chain: '' };
    const version = row['version'] as bigint;
    const available = end.available + (row['available_change'] as bigint);
    const frozen = end.frozen + (row['frozen_change'] as bigint);
    if (version !== end.version + 1n) faults.push(`${name} has v${version} after v${end.version}`);
    if (row['available'] !== available || row['frozen'] !== frozen)
      faults.push(`${name} v${version} does not follow`);
    ends.set(name, { version, available, frozen, chain: (row['chain'] as Buffer).toString('hex') });
  }
  for (const row of await all(client, 'SELECT * FROM user_balances')) {
    const name = `${row['user_id']}/${row['asset_id']}`;
    const end = ends.get(name);
    if (end?.version !== row['version'] || end?.chain !== (row['chain'] as Buffer).toString('hex'))
      faults.push(`${name} v${row['version']} has entries up to v${end?.version}`);
    ends.delete(name);
  }
  for (const name of ends.keys()) faults.push(`${name} has entries and no balance`);
  return faults;
}
