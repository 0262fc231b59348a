/**
 * Event rows, read from end to end: both tables, each row checked by itself. Rows of one trade id stand in one
 * partition, so that an id used twice shows as two rows in a row.
 */
import type { types } from 'cassandra-driver';
import { checkEventRow, EVENT_CELLS, type CheckedEvent } from './event-row.ts';
import type { Finding } from './finding.ts';
import type { Ring } from './ring.ts';

/** Reads all event rows. `onTwice` is told of each further row of a trade id. */
export async function readEvents(
  ring: Ring,
  onEvent: (checked: CheckedEvent) => void,
  onTwice: (finding: Finding) => void = () => undefined,
): Promise<void> {
  await ring.scan(EVENT_CELLS.settled_trades.select, 'trade_id', () => {
    let last: types.Row | undefined;
    return {
      row(row) {
        if (last && last['trade_id'] === row['trade_id']) onTwice(twice(last, row));
        last = row;
        onEvent(checkEventRow('settled_trades', row));
      },
    };
  });
  await ring.scan(EVENT_CELLS.ledger_events.select, 'stream, bucket', () => ({
    row(row) {
      onEvent(checkEventRow('ledger_events', row));
    },
  }));
}

function twice(first: types.Row, second: types.Row): Finding {
  const place = (row: types.Row): string =>
    `stream ${row['stream'] as string}, sequence ${row['sequence'] as bigint | null}`;
  return {
    kind: 'trade-id-twice',
    detail: `trade ${second['trade_id'] as bigint} stands twice: ${place(first)} and ${place(second)}`,
    table: 'settled_trades',
    stream: second['stream'] as string,
    sequence: `${second['sequence'] as bigint | null}`,
    trade: `${second['trade_id'] as bigint}`,
  };
}
