/**
 * A simulated stream as requests for the settler: decoded from its bytes, with the predecessors that an ingest would
 * state, cut into chunks by partition; and the oracle that it must lead to.
 */
import { balanceName } from '../../src/domain/balance.ts';
import type { SettlementEvent } from '../../src/domain/event.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import { partitionOfEvent } from '../../src/domain/partition.ts';
import type { RequestedEvent } from '../../src/settlement/settle-request.ts';
import type { SimulationOptions } from '../../src/simulator/options.ts';
import { encoded } from '../../src/simulator/outgoing.ts';
import { Simulation } from '../../src/simulator/simulation.ts';
import { decodeMessage } from '../../src/wire/decode.ts';

/** "available frozen version" by "user/asset". */
export type Books = ReadonlyMap<string, string>;

/** A stream with its oracle. */
export interface SimulatedStream {
  readonly events: readonly RequestedEvent[];
  readonly books: Books;
}

/** Simulates a stream. Every event states the predecessors that it has within it. */
export function simulatedStream(options: SimulationOptions): SimulatedStream {
  const simulation = new Simulation(options);
  const last = new Map<string, bigint>();
  const events: RequestedEvent[] = [];
  for (const { frames } of encoded(simulation.events())) {
    const decoded = decodeMessage(frames, 'numbered', { receivedAtMs: 1, divisorOf: () => 1n });
    if (decoded.kind === 'rejected') throw new Error(decoded.faults.join('; '));
    const { event, digest } = decoded;
    const names = touchesOf(legsOf(event)).map(balanceName);
    events.push({ event, digest, predecessors: names.map((name) => last.get(name)) });
    for (const name of names) last.set(name, event.sequence);
  }
  const books = new Map<string, string>();
  for (const { user, asset, available, frozen, version } of simulation.oracle().balances)
    books.set(`${user}/${asset}`, `${available} ${frozen} ${version}`);
  return { events, books };
}

/** The events by partition, each partition's in order of sequence. */
export function byPartition<T extends { readonly event: SettlementEvent }>(
  events: readonly T[],
  partitions: number,
): T[][] {
  const lanes = Array.from({ length: partitions }, (): T[] => []);
  for (const one of events) lanes[partitionOfEvent(one.event, partitions)]?.push(one);
  return lanes.filter((lane) => lane.length > 0);
}

/** Cuts a list into consecutive pieces of 1 … `max`. */
export function pieces<T>(list: readonly T[], max: number, below: (bound: number) => number): T[][] {
  const cut: T[][] = [];
  for (let at = 0; at < list.length;) {
    const size = 1 + below(max);
    cut.push(list.slice(at, at + size));
    at += size;
  }
  return cut;
}

/** Random integers below a bound, the same for the same seed (mulberry32). */
export function seeded(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}
