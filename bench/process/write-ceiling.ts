/**
 * The most that Cassandra and its driver could write: the very rows that the product writes, calculated beforehand, events
 * and balances in LOGGED BATCHes, then the ledger entries of many events by account. Nothing is read, nothing waits
 * for anything, and only the writing is measured.
 */
import { types } from 'cassandra-driver';
import { balanceName, type Balance, type BalanceKey } from '../../src/domain/balance.ts';
import { calculate } from '../../src/domain/calculate.ts';
import { entriesOf, entryBucket } from '../../src/domain/entries.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import { partitionOfEvent } from '../../src/domain/partition.ts';
import { BALANCE_BYTES_MAX, balanceStatement } from '../../src/ledger/balance-rows.ts';
import { entryStatement } from '../../src/ledger/entry-rows.ts';
import { eventStatement, type Statement } from '../../src/ledger/event-rows.ts';
import type { RequestedEvent } from '../../src/settlement/settle-request.ts';
import { eventsOf, fund, openDirect, settledBy, sideBySide } from './direct.ts';
import { serve } from './serve.ts';

/** How the rows are cut. */
export interface CeilingSettings {
  /** Events in a LOGGED BATCH, fewer where its bytes come first. */
  readonly groupEvents: number;
  /** Batches under way at once, of either kind. */
  readonly inFlight: number;
  /** Events whose entries are gathered together. */
  readonly windowEvents: number;
  /** Entries in an unlogged batch, at most. */
  readonly entriesPerWrite: number;
  /** 1 where a batch may hold the entries of several accounts, 0 where each is one account's. */
  readonly packed: number;
}

/** A batch, ready to be sent. */
interface Write {
  readonly logged: boolean;
  readonly statements: { readonly query: string; readonly params: unknown[] }[];
}

const direct = await openDirect();
const { client, storage, stream, config } = direct;

let writes: readonly Write[] = [];
let inFlight = 0;

async function prepare({ path, settings }: { path: string; settings: CeilingSettings }): Promise<void> {
  writes = await prepared(eventsOf(path), settings);
  inFlight = settings.inFlight;
}

async function settle(): Promise<number> {
  const consistency = types.consistencies.localQuorum;
  const startedMs = performance.now();
  await sideBySide(writes, inFlight, ({ logged, statements }) =>
    client.batch(statements, { prepare: true, logged, isIdempotent: true, consistency }),
  );
  return (performance.now() - startedMs) / 1000;
}

/** All writes of a segment, in the order in which they are sent. */
async function prepared(events: readonly RequestedEvent[], settings: CeilingSettings): Promise<Write[]> {
  const balances = await balancesOf(events);
  const made: Write[] = [];
  for (let at = 0; at < events.length; at += settings.windowEvents)
    addWindow(made, events.slice(at, at + settings.windowEvents), balances, settings);
  return made;
}

/** The balances that events touch, as they stand. */
async function balancesOf(events: readonly RequestedEvent[]): Promise<Map<string, Balance>> {
  const keys = new Map<string, BalanceKey>();
  for (const { event } of events)
    for (const touch of touchesOf(legsOf(event))) keys.set(balanceName(touch), touch);
  const stored = await storage.readBalances([...keys.values()]);
  return new Map(stored.map((balance) => [balanceName(balance), balance]));
}

function addWindow(
  made: Write[],
  events: readonly RequestedEvent[],
  balances: Map<string, Balance>,
  settings: CeilingSettings,
): void {
  const { groupEvents } = settings;
  const accounts = new Map<string, Statement[]>();
  let rows: Statement[] = [];
  let changed = new Map<string, Statement>();
  let bytes = 0;
  const flush = (): void => {
    if (rows.length > 0) made.push(writeOf([...rows, ...changed.values()], true));
    rows = [];
    changed = new Map();
    bytes = 0;
  };
  for (const { event, digest } of events) {
    const legs = legsOf(event);
    const touches = touchesOf(legs);
    const names = touches.map(balanceName);
    const before = names.map((name) => balances.get(name)!);
    const result = calculate(event, digest, legs, touches, before);
    if (result.kind === 'conflict') throw new Error(`sequence ${event.sequence}: ${result.reason}`);
    const by = settledBy(stream, partitionOfEvent(event, config.stream.partitions));
    const row = eventStatement(stream, { event, digest }, result.legs, by);
    const fresh = names.filter((name) => !changed.has(name)).length;
    if (
      rows.length >= groupEvents ||
      bytes + row.bytes + fresh * BALANCE_BYTES_MAX > config.settlement.groupBytesMax
    )
      flush();
    rows.push(row.statement);
    bytes += row.bytes;
    for (const [index, touch] of touches.entries()) {
      const [name, balance] = [names[index]!, result.balances[index]!];
      if (!changed.has(name)) bytes += BALANCE_BYTES_MAX;
      changed.set(name, balanceStatement({ ...touch, balance, timeMs: event.timeMs }));
      balances.set(name, balance);
    }
    for (const entry of entriesOf(stream, event, result.legs)) {
      const account = `${balanceName(entry)}/${entryBucket(entry.version)}`;
      const of = accounts.get(account);
      if (of) of.push(entryStatement(entry));
      else accounts.set(account, [entryStatement(entry)]);
    }
  }
  flush();
  made.push(...entryWrites([...accounts.values()], settings));
}

/** Cuts entries into batches: by account, or account after account. */
function entryWrites(
  accounts: readonly Statement[][],
  { packed, entriesPerWrite }: CeilingSettings,
): Write[] {
  const lists = packed === 1 ? [accounts.flat()] : accounts;
  return lists.flatMap((entries) => {
    const count = Math.ceil(entries.length / entriesPerWrite);
    return Array.from({ length: count }, (_, index) =>
      writeOf(entries.slice(index * entriesPerWrite, (index + 1) * entriesPerWrite), false),
    );
  });
}

function writeOf(statements: readonly Statement[], logged: boolean): Write {
  return {
    logged,
    statements: statements.map(({ query, params }) => ({ query, params: params as unknown[] })),
  };
}

const finish = (): void => {
  writes = [];
};

serve({ fund: (segment: { path: string }) => fund(direct, segment), prepare, settle, finish }, () =>
  client.shutdown(),
);
