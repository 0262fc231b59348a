/**
 * One event row looked at by itself: that it says what its digest says (I1b), that its legs are those that follow from
 * it, with a chain that can be recomputed (I1), and that it leads back to its workflow run (I11). What it says of
 * entries and lines comes out for the tallies.
 */
import type { types } from 'cassandra-driver';
import { balanceName } from '../domain/balance.ts';
import type { CalculatedLeg } from '../domain/calculate.ts';
import { nextChain, voidChain } from '../domain/chain.ts';
import { contentDigest, KIND_CODES } from '../domain/digest.ts';
import { entriesOf } from '../domain/entries.ts';
import { eventId, type SettlementEvent } from '../domain/event.ts';
import { legsOf } from '../domain/legs.ts';
import {
  LEDGER_COLUMN_LIST,
  ledgerEventOf,
  sequenceBucket,
  TRADE_COLUMN_LIST,
  tradeDate,
  tradeOf,
} from '../ledger/event-rows.ts';
import { decodeLegs, decodeVoidLegs, encodeVoidLegs } from '../ledger/legs-cell.ts';
import { reasonOf } from '../logging/reason-of.ts';
import { Cells } from './cells.ts';
import type { DismissedRow } from './dismissed.ts';
import type { Finding, FindingKind } from './finding.ts';
import type { LinkedEntry } from './fingerprint.ts';

/** The two tables of events. */
export type EventTable = 'settled_trades' | 'ledger_events';

/** The mark that only the row of a dismissed event has. */
const OPTIONAL = ['dismissed'];

/** How each is read. */
export const EVENT_CELLS: Readonly<Record<EventTable, Cells>> = {
  settled_trades: new Cells(
    'settled_trades',
    ['trade_id', 'stream', 'output_sequence'],
    TRADE_COLUMN_LIST,
    OPTIONAL,
  ),
  ledger_events: new Cells('ledger_events', ['stream', 'bucket', 'sequence'], LEDGER_COLUMN_LIST, OPTIONAL),
};

/** What became of a row. */
export interface CheckedEvent {
  readonly table: EventTable;
  readonly stream: string;
  /** Undefined where that very cell is missing. */
  readonly sequence: bigint | undefined;
  readonly findings: readonly Finding[];
  /** Undefined where a cell is missing: there is no event to speak of. */
  readonly event?: SettlementEvent;
  /** Recomputed from the row's fields. */
  readonly digest?: Buffer;
  /** The entries that it must have; undefined where its own contents contradict each other. */
  readonly entries?: readonly LinkedEntry[];
  /** Where the row carries the mark of a dismissed event: what that is. */
  readonly dismissed?: DismissedRow;
}

/** Looks at a row. */
export function checkEventRow(table: EventTable, row: types.Row): CheckedEvent {
  const stream = row['stream'] as string;
  const sequence = (row['sequence'] as bigint | null) ?? undefined;
  const tradeId = table === 'settled_trades' ? (row['trade_id'] as bigint) : undefined;
  const place =
    (tradeId === undefined ? 'ledger event' : `trade ${tradeId}`) +
    ` (stream ${stream}, sequence ${sequence ?? 'missing'})`;
  const ids = {
    stream,
    ...(sequence === undefined ? {} : { sequence: `${sequence}` }),
    ...(tradeId === undefined ? {} : { trade: `${tradeId}` }),
  };
  const cells = EVENT_CELLS[table].faults(row, sequence ?? null, place, ids);
  const findings = [...cells.findings];
  const base = { table, stream, sequence, findings };
  const fault = (kind: FindingKind, what: string, columns?: readonly string[]): void => {
    findings.push({ kind, detail: `${place}: ${what}`, table, ...ids, ...(columns ? { columns } : {}) });
  };
  if (cells.missing.length > 0) return base;

  const unreadable = unreadableCells(table, row);
  const event = table === 'settled_trades' ? tradeOf(row) : ledgerEventOf(row);
  const wrong = unreadable.length > 0 ? unreadable : wrongCells(row, event);
  if (wrong.length > 0) fault('cell', `no row of ours holds this ${wrong.join(', ')}`, wrong);
  if (unreadable.length > 0) return base;
  const negative = negativeAmounts(event);
  if (negative.length > 0) fault('negative-value', `${negative.join(', ')} below zero`, negative);

  const digest = contentDigest(event);
  const isDismissed = row['dismissed'] === true;
  if (row['dismissed'] === false) fault('cell', 'no row of ours holds this dismissed', ['dismissed']);
  if (!digest.equals(row['digest'] as Buffer)) {
    fault('event-digest', 'its fields do not give the digest in its row', ['digest']);
    return { ...base, event, digest };
  }
  const cell = row['legs'] as string;
  let legs: (CalculatedLeg | undefined)[];
  try {
    legs = isDismissed ? decodeVoidLegs(cell, event) : decodeLegs(cell, event);
  } catch (error) {
    fault('event-legs', reasonOf(error), ['legs']);
    return { ...base, event, digest };
  }
  const problem =
    encodeVoidLegs(legs) === cell
      ? legsProblem(event, digest, legs, isDismissed ? voidChain : nextChain)
      : 'not in canonical form';
  if (problem !== undefined) {
    fault('event-legs', problem, ['legs']);
    return { ...base, event, digest };
  }
  const taken = legs.filter((leg) => leg !== undefined);
  const entries = linked(stream, event, taken);
  if (!isDismissed) return { ...base, event, digest, entries };
  const took = new Set(taken.map(balanceName));
  const dismissed = { stream, event, took, settledBy: row['settled_by'] as string };
  return { ...base, event, digest, entries, dismissed };
}

/** The entries of an event's legs, each with the state that it builds on by the row's word. */
function linked(stream: string, event: SettlementEvent, legs: readonly CalculatedLeg[]): LinkedEntry[] {
  const chains = legs.flatMap((leg) =>
    leg.steps.map((_, at) => (at === 0 ? leg.chainBefore : (leg.steps[at - 1]?.chain ?? leg.chainBefore))),
  );
  return entriesOf(stream, event, legs).map((entry, at) => ({
    entry,
    before: {
      version: entry.version - 1n,
      available: entry.availableAfter - entry.availableChange,
      frozen: entry.frozenAfter - entry.frozenChange,
      chain: chains[at] ?? entry.chain,
    },
  }));
}

/** Cells without which there is no event to speak of. */
function unreadableCells(table: EventTable, row: types.Row): string[] {
  const time = table === 'settled_trades' ? 'settled_at' : 'created_at';
  const unreadable = Number.isNaN((row[time] as Date).getTime()) ? [time] : [];
  return table === 'ledger_events' && !Object.hasOwn(KIND_CODES, row['kind'] as string)
    ? [...unreadable, 'kind']
    : unreadable;
}

/** Cells that a row of ours could not hold, whatever the engine stated. */
function wrongCells(row: types.Row, event: SettlementEvent): string[] {
  const wrong: string[] = [];
  if (!leadsToRun(row['settled_by'] as string)) wrong.push('settled_by');
  if (event.kind === 'trade') {
    if (row['trade_date'] !== tradeDate(event.timeMs)) wrong.push('trade_date');
    const product = event.price * event.quantity;
    if (event.quoteAmount <= 0n || product % event.quoteAmount !== 0n) wrong.push('quote_amount');
    return wrong;
  }
  if (row['bucket'] !== sequenceBucket(event.sequence)) wrong.push('bucket');
  return wrong;
}

function leadsToRun(cell: string): boolean {
  try {
    const value = JSON.parse(cell) as Partial<Record<string, unknown>> | null;
    return typeof value?.['workflow'] === 'string' && typeof value['run'] === 'string';
  } catch {
    return false;
  }
}

function negativeAmounts(event: SettlementEvent): string[] {
  const amounts =
    event.kind === 'trade'
      ? {
          price: event.price,
          quantity: event.quantity,
          buyer_refund: event.buyerRefund,
          seller_refund: event.sellerRefund,
        }
      : { amount: event.amount };
  return Object.entries(amounts)
    .filter(([, value]) => value < 0n)
    .map(([name]) => name);
}

/** Why legs do not follow from their event, or undefined. */
function legsProblem(
  event: SettlementEvent,
  digest: Buffer,
  legs: readonly (CalculatedLeg | undefined)[],
  chainOf: typeof nextChain,
): string | undefined {
  const expected = legsOf(event);
  const ends = new Map<string, { version: bigint; available: bigint; frozen: bigint; chain: Buffer }>();
  if (legs.every((leg) => leg === undefined)) return 'it took no version, and has a row all the same';
  for (const [index, leg] of legs.entries()) {
    if (!leg) continue;
    if (leg.versionBefore !== expected[index]?.expectedVersion)
      return `leg ${index} begins at version ${leg.versionBefore}, the event states ${expected[index]?.expectedVersion}`;
    const name = `${leg.userId}/${leg.assetId}`;
    let state = ends.get(name);
    if (state && (state.version !== leg.versionBefore || !state.chain.equals(leg.chainBefore)))
      return `leg ${index} does not continue the one before it on balance ${name}`;
    let chain = leg.chainBefore;
    for (const [at, step] of leg.steps.entries()) {
      if (
        state &&
        (state.available + step.availableChange !== step.availableAfter ||
          state.frozen + step.frozenChange !== step.frozenAfter)
      )
        return `leg ${index} step ${at}: values do not continue those before it`;
      const follows = chainOf(chain, {
        userId: leg.userId,
        assetId: leg.assetId,
        digest,
        leg: index,
        step: at,
        version: step.version,
        availableAfter: step.availableAfter,
        frozenAfter: step.frozenAfter,
      });
      if (!follows.equals(step.chain)) return `leg ${index} step ${at}: the chain value does not follow`;
      chain = step.chain;
      state = { version: step.version, available: step.availableAfter, frozen: step.frozenAfter, chain };
    }
    if (state) ends.set(name, state);
  }
  return undefined;
}

/** What the stream log must say of an event. */
export function lineStateOf(stream: string, event: SettlementEvent, digest: Buffer) {
  return { stream, sequence: event.sequence, kind: event.kind, id: eventId(event), digest };
}
