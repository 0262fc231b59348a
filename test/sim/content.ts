/**
 * What the rows must say when nothing was wrong, word for word: the engine's messages are decoded and reckoned through by the
 * domain, one after the other, and every line, event row and ledger entry is held against that: contents, digests, legs and
 * chains. That a balance is its last entry is compared beside it (check.ts).
 */
import type { types } from 'cassandra-driver';
import { balanceName, type Balance } from '../../src/domain/balance.ts';
import { calculate, type CalculatedLeg } from '../../src/domain/calculate.ts';
import { entriesOf, type LedgerEntry } from '../../src/domain/entries.ts';
import { eventId, type SettlementEvent } from '../../src/domain/event.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import { missingBalance } from '../../src/ledger/balance-rows.ts';
import { eventRowOf } from '../../src/ledger/event-rows.ts';
import { decodeMessage } from '../../src/wire/decode.ts';
import { valueOf, type Row } from './cells.ts';
import type { Database } from './database.ts';
import type { Engine } from './engine.ts';
import { entryPlace, eventPlace, linePlace, STREAM } from './stored.ts';

/** Says what differs, in words. What is not there is told by others. */
export function contentFaults(database: Database, engine: Engine): string[] {
  const faults: string[] = [];
  const balances = new Map<string, Balance>();
  for (const stated of engine.stated) {
    const { sequence } = stated;
    const decoded = decodeMessage(stated.frames, 'numbered', { receivedAtMs: 0, divisorOf: () => 1n });
    if (decoded.kind !== 'event') return [`sequence ${sequence} cannot be decoded`];
    const { event, digest } = decoded;
    const legs = legsOf(event);
    const touches = touchesOf(legs);
    const before = touches.map((touch) => balances.get(balanceName(touch)) ?? missingBalance(touch));
    const calculation = calculate(event, digest, legs, touches, before);
    if (calculation.kind !== 'calculated') return [`sequence ${sequence} cannot be calculated`];
    for (const [at, balance] of calculation.balances.entries())
      balances.set(balanceName(touches[at]!), balance);

    const line = database.rowAnywhere(...linePlace(sequence));
    faults.push(...differing(`line ${sequence}`, line, { kind: event.kind, id: eventId(event), digest }));
    const row = database.rowAnywhere(...eventPlace(stated));
    if (row) faults.push(...rowFaults(row, event, digest, calculation.legs));
    for (const entry of entriesOf(STREAM, event, calculation.legs))
      faults.push(...entryFaults(database, entry));
  }
  return faults;
}

function rowFaults(
  row: Row,
  event: SettlementEvent,
  digest: Buffer,
  legs: readonly CalculatedLeg[],
): string[] {
  const table = event.kind === 'trade' ? 'settled_trades' : 'ledger_events';
  const found = eventRowOf(table, objectOf(row));
  // Where an engine states no times they are those of an ingest.
  const { timeMs, stamped } = found.event;
  const wanted = { stream: STREAM, event: { ...event, timeMs, stamped }, digest, legs, dismissed: false };
  const faults: string[] = [];
  for (const name of Object.keys(wanted) as (keyof typeof wanted)[])
    if (!isSame(found[name], wanted[name]))
      faults.push(`the row of ${event.sequence} has another ${name} than follows from its message`);
  return faults;
}

function entryFaults(database: Database, entry: LedgerEntry): string[] {
  const { userId: user, assetId: asset, version, sequence } = entry;
  const row = database.rowAnywhere(...entryPlace({ user, asset, version }));
  return differing(`entry ${version} of ${user}/${asset}`, row, {
    stream: entry.stream,
    sequence,
    event_kind: entry.eventKind,
    event_id: entry.eventId,
    step: entry.step,
    available_change: entry.availableChange,
    frozen_change: entry.frozenChange,
    available: entry.availableAfter,
    frozen: entry.frozenAfter,
    chain: entry.chain,
  });
}

function differing(
  name: string,
  row: Row | undefined,
  wanted: Readonly<Record<string, string | bigint | Buffer>>,
): string[] {
  const faults: string[] = [];
  if (!row) return faults;
  for (const column of Object.keys(wanted))
    if (!isSame(valueOf(row, column), wanted[column]))
      faults.push(`${name}: its ${column} is not what follows from the messages`);
  return faults;
}

function objectOf(row: Row): types.Row {
  const object: Record<string, unknown> = {};
  for (const name of row.columns.keys()) object[name] = valueOf(row, name);
  return object as never;
}

/** What node's isDeepStrictEqual says of such values; it takes ten times as long, and is asked of every cell of a run. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Buffer.isBuffer(a)) return Buffer.isBuffer(b) && a.equals(b);
  const keys = Object.keys(a);
  return (
    Array.isArray(a) === Array.isArray(b) &&
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isSame(a[key as never], b[key as never]))
  );
}
