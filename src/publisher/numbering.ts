/** The number of an event that is published: stated by the engine, or assigned here. */
import { encodeMessage } from '../wire/encode.ts';
import type { LedgerMessage, TradeMessage } from '../wire/message.ts';

type Unnumbered<T, N extends keyof T> = Omit<T, N> & { readonly [K in N]?: bigint };

/** A trade or a ledger event as an engine publishes it: without its number, one is assigned. */
export type PublishedEvent =
  | Unnumbered<TradeMessage, 'output_sequence'>
  | (Unnumbered<LedgerMessage, 'sequence_id'> & { readonly version: bigint });

/** The number that an event states, undefined where it states none. */
export function statedNumber(event: PublishedEvent): bigint | undefined {
  return 'trade_id' in event ? event.output_sequence : event.sequence_id;
}

/** The JSON of an event's message under this number. */
export function encodeNumbered(event: PublishedEvent, sequence: bigint): Buffer {
  const [, data] = encodeMessage(
    'trade_id' in event ? { ...event, output_sequence: sequence } : { ...event, sequence_id: sequence },
  );
  return data;
}
