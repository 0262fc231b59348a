/**
 * The engine's own books of a run's stream: which event has which number, how many entries it makes, and, as an oracle
 * file, what balances it leads to. They come out of the seed, not out of anything that a fault could have touched.
 */
import { writeOracle } from '../../src/simulator/oracle.ts';
import type { SimulationOptions } from '../../src/simulator/options.ts';
import { Simulation } from '../../src/simulator/simulation.ts';
import type { Message } from '../../src/wire/message.ts';

/** What the database is held against. */
export interface Books {
  readonly events: number;
  readonly trades: number;
  /** The event of a sequence, as {@link eventName} has it. The first stands at 1. */
  readonly nameOf: readonly string[];
  /** Ledger entries that it makes. */
  readonly entriesOf: Uint8Array;
}

/** An event's name: its kind and what the engine calls it. */
export function eventName(kind: string, id: bigint): string {
  return `${kind.toLowerCase()} ${id}`;
}

/** Trades of the shortest stream of its kind that goes beyond this sequence. Up to there it is the same as any longer one. */
export function tradesBeyond(sequence: bigint, options: Omit<SimulationOptions, 'trades'>): number {
  let trades = 0;
  for (const message of new Simulation({ ...options, trades: Number.MAX_SAFE_INTEGER }).events())
    if ('trade_id' in message) {
      trades += 1;
      if (message.output_sequence > sequence) break;
    }
  return trades;
}

/** Runs the simulation to its end, and writes its oracle. */
export async function keepBooks(options: SimulationOptions, oraclePath: string): Promise<Books> {
  const simulation = new Simulation(options);
  const nameOf = [''];
  const entriesOf = [0];
  let trades = 0;
  for (const message of simulation.events()) {
    nameOf.push(nameOfMessage(message));
    entriesOf.push(entriesOfMessage(message));
    if ('trade_id' in message) trades += 1;
  }
  await writeOracle(oraclePath, simulation.oracle());
  return { events: nameOf.length - 1, trades, nameOf, entriesOf: Uint8Array.from(entriesOf) };
}

function nameOfMessage(message: Message): string {
  return 'trade_id' in message
    ? eventName('trade', message.trade_id)
    : eventName(message.event_type, message.sequence_id);
}

/** One for each leg, and one more for a leg with a refund. */
function entriesOfMessage(message: Message): number {
  if (!('trade_id' in message)) return 1;
  return 4 + (message.buyer_refund > 0n ? 1 : 0) + (message.seller_refund > 0n ? 1 : 0);
}
