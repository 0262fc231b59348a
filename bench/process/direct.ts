/**
 * What contenders share that settle without ZeroMQ and Temporal, each in a process of its own: the connection, a
 * segment's decoded events, and the funding, which the product's settler writes for all of them.
 */
import type { Client } from 'cassandra-driver';
import { ledgerOptions } from '../../src/cli/ledger-options.ts';
import { settlerLimits, workerStorageOptions } from '../../src/cli/settler-options.ts';
import { loadConfig, type Config } from '../../src/config/index.ts';
import { balanceName } from '../../src/domain/balance.ts';
import { eventId } from '../../src/domain/event.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import { partitionOfEvent } from '../../src/domain/partition.ts';
import { connect } from '../../src/ledger/connection.ts';
import { CassandraStorage } from '../../src/ledger/storage.ts';
import { writeLines, writesOf, type StreamLine } from '../../src/ledger/stream-log.ts';
import { openStream, writeWatermark } from '../../src/ledger/streams.ts';
import type { RequestedEvent } from '../../src/settlement/settle-request.ts';
import { Settler } from '../../src/settlement/settler.ts';
import { decodeMessage } from '../../src/wire/decode.ts';
import { readSegment, TOPIC_FRAME } from '../stream/segment.ts';

/** Nobody else feeds these streams: one lease for ever. */
const LEASE = 1n;
const LINE_WRITES_IN_FLIGHT = 16;

/** A process's connection, and what follows from its configuration. */
export interface Direct {
  readonly config: Config;
  readonly client: Client;
  readonly storage: CassandraStorage;
  readonly stream: string;
}

/** Opens what the environment names. */
export async function openDirect(): Promise<Direct> {
  const config = loadConfig(process.env);
  const client = await connect(ledgerOptions(config));
  return {
    config,
    client,
    storage: new CassandraStorage(client, workerStorageOptions(config)),
    stream: config.stream.name,
  };
}

/** The events of a segment, decoded, with the predecessors that an ingest would state. */
export function eventsOf(path: string): RequestedEvent[] {
  const last = new Map<string, bigint>();
  const context = { receivedAtMs: 0, divisorOf: () => 1n };
  return Array.from(readSegment(path), (frame): RequestedEvent => {
    const decoded = decodeMessage([TOPIC_FRAME, frame], 'numbered', context);
    if (decoded.kind === 'rejected') throw new Error(`${decoded.faults.join('; ')}: ${frame.toString()}`);
    const { event, digest } = decoded;
    const names = touchesOf(legsOf(event)).map(balanceName);
    const predecessors = names.map((name) => last.get(name));
    for (const name of names) last.set(name, event.sequence);
    return { event, digest, predecessors };
  });
}

/** A settler with the limits that a worker's would have. */
export function settlerOf({ config, storage }: Direct): Settler {
  return new Settler({ storage, limits: settlerLimits(config) });
}

/** What a row's `settled_by` holds: as long as the product's. */
export function settledBy(stream: string, partition: number): string {
  return JSON.stringify({
    workflow: `settle-${stream}-${partition}`,
    run: '00000000-0000-4000-8000-000000000000',
    chunk: '1000000-1000000',
    at: '2026-01-01T00:00:00.000Z',
  });
}

/**
 * Settles events by a settler: chunks by partition of `sliceEvents` consecutive events, so many slices under way that
 * about `inFlightEvents` events are.
 */
export async function settleEvents(
  direct: Direct,
  settler: Settler,
  events: readonly RequestedEvent[],
  bounds: { readonly sliceEvents: number; readonly inFlightEvents: number },
): Promise<void> {
  const { stream, config } = direct;
  const { partitions } = config.stream;
  const { attemptMs } = config.settlement;
  const slices: RequestedEvent[][] = [];
  for (let at = 0; at < events.length; at += bounds.sliceEvents)
    slices.push(events.slice(at, at + bounds.sliceEvents));
  await sideBySide(
    slices,
    Math.max(1, Math.floor(bounds.inFlightEvents / bounds.sliceEvents)),
    async (slice) => {
      const chunks = new Map<number, RequestedEvent[]>();
      for (const one of slice) {
        const partition = partitionOfEvent(one.event, partitions);
        const chunk = chunks.get(partition);
        if (chunk) chunk.push(one);
        else chunks.set(partition, [one]);
      }
      await Promise.all(
        [...chunks].map(async ([partition, chunk]) => {
          for (let left: readonly RequestedEvent[] = chunk; left.length > 0;) {
            const request = { stream, settledBy: settledBy(stream, partition), events: left, attemptMs };
            const outcomes = await settler.settle(request);
            const conflict = outcomes.find((outcome) => outcome.kind === 'conflict');
            if (conflict) throw new Error(`conflict: ${conflict.reason}`);
            left = left.filter((_, index) => outcomes[index]?.kind !== 'settled');
          }
        }),
      );
    },
  );
}

/** Writes the lines of events that are settled, and the watermark behind them, as an ingest would have. */
export async function logEvents(direct: Direct, events: readonly RequestedEvent[]): Promise<void> {
  const { client, stream } = direct;
  const lines = events.map(({ event, digest }): StreamLine => ({
    sequence: event.sequence,
    kind: event.kind,
    id: eventId(event),
    digest,
    lease: LEASE,
  }));
  await sideBySide([...writesOf(lines)], LINE_WRITES_IN_FLIGHT, (write) => writeLines(client, stream, write));
  const end = events.at(-1)?.event.sequence;
  if (end !== undefined) await writeWatermark(client, stream, end);
}

/** Settles the funding of a stream: opens it, and leaves it as an ingest would. */
export async function fund(direct: Direct, { path }: { path: string }): Promise<void> {
  const { client, stream, config } = direct;
  await openStream(client, stream, config.stream.partitions, 'numbered');
  const events = eventsOf(path);
  await settleEvents(direct, settlerOf(direct), events, { sliceEvents: 1_000, inFlightEvents: 4_000 });
  await logEvents(direct, events);
}

/** Works on items in order, so many at once. The first failure ends it. */
export async function sideBySide<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const item = items[next]!;
      next += 1;
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
}
