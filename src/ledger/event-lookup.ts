/**
 * Finding an event's row from what people and logs know of it: a trade's id, or a line of the stream log.
 */
import type { Client, types } from 'cassandra-driver';
import {
  eventRowOf,
  SELECT_LEDGER,
  SELECT_TRADES_OF_ID,
  sequenceBucket,
  type EventRow,
} from './event-rows.ts';
import type { StreamLine } from './stream-log.ts';

/** True for a line whose row stands in `settled_trades`. */
export function isTradeLine(line: Pick<StreamLine, 'kind'>): boolean {
  return line.kind === 'trade';
}

/** Every row of a trade id: more than one means that the id was used twice. */
export async function readTrades(client: Client, tradeId: bigint): Promise<EventRow[]> {
  const result = await client.execute(SELECT_TRADES_OF_ID, [tradeId], { prepare: true });
  return result.rows.map((row) => eventRowOf('settled_trades', row));
}

/** The row of the event that a line stands for; undefined while it is not settled. */
export async function readEventRow(
  client: Client,
  stream: string,
  line: StreamLine,
): Promise<EventRow | undefined> {
  if (isTradeLine(line))
    return (await readTrades(client, line.id)).find(
      (row) => row.stream === stream && row.event.sequence === line.sequence,
    );
  const params = [stream, sequenceBucket(line.sequence), line.sequence];
  const result = await client.execute(SELECT_LEDGER, params, { prepare: true });
  const row = result.first() as types.Row | null;
  return row ? eventRowOf('ledger_events', row) : undefined;
}
