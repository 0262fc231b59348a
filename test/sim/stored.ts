/** Where things stand in the simulated database, and whether every read at quorum would see them. */
import { valueOf, type Row } from './cells.ts';
import type { Database } from './database.ts';
import type { BookedStep, Stated } from './market.ts';

/** The one stream of a simulation. */
export const STREAM = 'main';

/** Partition and clustering key of a row. */
export type Place = readonly [partition: string, clustering: string];

const ENTRY_BUCKET = 10_000n;

/** Names are made once: they are looked for again and again. */
const events = new WeakMap<Stated, Place>();
const entries = new WeakMap<Pick<BookedStep, 'user' | 'asset' | 'version'>, Place>();
const balances = new WeakMap<Pick<BookedStep, 'user' | 'asset'>, Place>();
const lines: Place[] = [];

function once<T extends object>(known: WeakMap<T, Place>, of: T, make: (of: T) => Place): Place {
  let place = known.get(of);
  if (!place) known.set(of, (place = make(of)));
  return place;
}

/** An event's own row. */
export function eventPlace(event: Stated): Place {
  return once(events, event, ({ sequence, message }) =>
    'trade_id' in message
      ? [`settled_trades|${message.trade_id}`, `${STREAM}|${sequence}`]
      : [`ledger_events|${STREAM}|${sequence / ENTRY_BUCKET}`, `${sequence}`],
  );
}

/** A line of the stream log. */
export function linePlace(sequence: bigint): Place {
  return (lines[Number(sequence)] ??= [`stream_log|${STREAM}|${sequence / ENTRY_BUCKET}`, `${sequence}`]);
}

export function balancePlace(of: Pick<BookedStep, 'user' | 'asset'>): Place {
  return once(balances, of, ({ user, asset }) => [`user_balances|${user}`, `${asset}`]);
}

export function entryPlace(step: Pick<BookedStep, 'user' | 'asset' | 'version'>): Place {
  return once(entries, step, ({ user, asset, version }) => [
    `ledger_entries|${user}|${asset}|${version / ENTRY_BUCKET}`,
    `${version}`,
  ]);
}

export const STREAM_PLACE: Place = [`streams|${STREAM}`, ''];
export const LEASE_PLACE: Place = [`leases|${STREAM}`, ''];

/** True where the event's row says what was stated. */
export function saysTheSame({ message }: Stated, row: Row): boolean {
  return 'trade_id' in message
    ? valueOf(row, 'price') === message.price &&
        valueOf(row, 'quantity') === message.quantity &&
        valueOf(row, 'buy_order_id') === message.buy_order_id
    : valueOf(row, 'amount') === message.amount &&
        valueOf(row, 'user_id') === message.user_id &&
        valueOf(row, 'version') === message.version;
}

/** What of an event every quorum would not see; undefined where it is settled in full (I1, I1a, I1b). */
export function missingOf(database: Database, event: Stated): string | undefined {
  const { sequence } = event;
  if (!database.isDurable(...linePlace(sequence), () => true)) return 'its line';
  if (!database.isDurable(...eventPlace(event), (row) => saysTheSame(event, row))) return 'its row';
  for (const step of event.steps) {
    if (!database.isDurable(...entryPlace(step), (row) => isEntryOf(step, row)))
      return `entry ${step.version} of ${step.user}/${step.asset}`;
    if (
      !database.isDurable(...balancePlace(step), (row) => (valueOf(row, 'version') as bigint) >= step.version)
    )
      return `balance ${step.user}/${step.asset} at ${step.version}`;
  }
  return undefined;
}

export function isEntryOf(step: BookedStep, row: Row): boolean {
  return (
    valueOf(row, 'available') === step.available &&
    valueOf(row, 'frozen') === step.frozen &&
    valueOf(row, 'sequence') === step.sequence
  );
}

/** The watermark that every quorum sees. */
export function durableWatermark(database: Database): bigint {
  const found = database.replicas
    .map((replica) => {
      const row = replica.row(...STREAM_PLACE);
      return row ? ((valueOf(row, 'watermark') as bigint | undefined) ?? 0n) : 0n;
    })
    .sort((a, b) => (a < b ? 1 : a > b ? -1 : 0));
  return found[1] ?? 0n;
}

/** The newest lease. */
export function newestLease(database: Database): bigint {
  const row = database.rowAnywhere(...LEASE_PLACE);
  return row ? ((valueOf(row, 'lease') as bigint | undefined) ?? 0n) : 0n;
}
