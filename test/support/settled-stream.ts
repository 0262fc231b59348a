/**
 * A simulated stream settled into a database without sockets or workflows: decoded, its lines written, settled by the
 * real settler on the real Cassandra in chunks by partition, its watermark persisted.
 */
import type { Client } from 'cassandra-driver';
import { eventId } from '../../src/domain/event.ts';
import { partitionOfEvent } from '../../src/domain/partition.ts';
import { LINES_PER_WRITE_MAX, writeLines, type StreamLine } from '../../src/ledger/stream-log.ts';
import { sequenceBucket } from '../../src/ledger/event-rows.ts';
import { takeLease } from '../../src/ledger/leases.ts';
import { CassandraStorage } from '../../src/ledger/storage.ts';
import { openStream, writeWatermark } from '../../src/ledger/streams.ts';
import type { RequestedEvent } from '../../src/settlement/settle-request.ts';
import { Settler } from '../../src/settlement/settler.ts';
import type { SimulationOptions } from '../../src/simulator/options.ts';
import { Simulation } from '../../src/simulator/simulation.ts';
import { decodeMessage } from '../../src/wire/decode.ts';
import { encodeMessage } from '../../src/wire/encode.ts';

/** What was settled. */
export interface SettledStream {
  readonly stream: string;
  readonly events: number;
  readonly watermark: bigint;
  /** The engine's books, in the form of an oracle file. */
  readonly oracle: {
    readonly counts: Readonly<Record<string, number>>;
    readonly balances: { user: string; asset: number; available: string; frozen: string; version: string }[];
  };
  /** How long settling alone took, ms. */
  readonly elapsedMs: number;
}

export interface SettleStreamOptions extends SimulationOptions {
  /** @default main */
  readonly stream?: string;
  /** @default 4 */
  readonly partitions?: number;
  /** Events whose chunks are under way together. @default 2 000 */
  readonly windowEvents?: number;
}

const ATTEMPT_MS = 60_000;

/** Settles a simulation from its first event to its last. */
export async function settleStream(
  client: Client,
  options: SettleStreamOptions = {},
): Promise<SettledStream> {
  const { stream = 'main', partitions = 4, windowEvents = 2_000, ...simulated } = options;
  const simulation = new Simulation(simulated);
  await openStream(client, stream, partitions, 'numbered');
  const lease = await takeLease(client, stream, 'test');
  const settler = new Settler({ storage: new CassandraStorage(client) });
  const startedMs = performance.now();
  let events = 0;
  let window: RequestedEvent[] = [];
  const settleWindow = async (): Promise<void> => {
    await log(client, stream, lease, window);
    await settleAll(settler, stream, partitions, window);
    events += window.length;
    await writeWatermark(client, stream, BigInt(events));
    window = [];
  };
  for (const message of simulation.events()) {
    const context = { receivedAtMs: Date.now(), divisorOf: () => 1n };
    const decoded = decodeMessage(encodeMessage(message), 'numbered', context);
    if (decoded.kind !== 'event') throw new Error(`the simulator stated: ${decoded.faults.join('; ')}`);
    window.push({ event: decoded.event, digest: decoded.digest, predecessors: [] });
    if (window.length === windowEvents) await settleWindow();
  }
  if (window.length > 0) await settleWindow();
  const elapsedMs = performance.now() - startedMs;
  const { counts, balances } = simulation.oracle();
  const oracle = { counts: { ...counts }, balances: [...balances].map((balance) => ({ ...balance })) };
  return { stream, events, watermark: BigInt(events), oracle, elapsedMs };
}

/** Writes the lines of events, gathered by bucket. */
async function log(
  client: Client,
  stream: string,
  lease: bigint,
  events: readonly RequestedEvent[],
): Promise<void> {
  let lines: StreamLine[] = [];
  for (const { event, digest } of events) {
    const [first] = lines;
    const full = lines.length === LINES_PER_WRITE_MAX;
    if (first && (full || sequenceBucket(first.sequence) !== sequenceBucket(event.sequence))) {
      await writeLines(client, stream, lines);
      lines = [];
    }
    lines.push({ sequence: event.sequence, kind: event.kind, id: eventId(event), digest, lease });
  }
  if (lines.length > 0) await writeLines(client, stream, lines);
}

/** One chunk for each partition, side by side: they share the settler, so that none waits for good. */
async function settleAll(
  settler: Settler,
  stream: string,
  partitions: number,
  events: readonly RequestedEvent[],
): Promise<void> {
  const chunks = new Map<number, RequestedEvent[]>();
  for (const requested of events) {
    const { event } = requested;
    const partition = partitionOfEvent(event, partitions);
    const chunk = chunks.get(partition);
    if (chunk) chunk.push(requested);
    else chunks.set(partition, [requested]);
  }
  const settledBy = (partition: number): string =>
    JSON.stringify({ workflow: `settle-${stream}-${partition}`, run: 'test', chunk: '-', at: '-' });
  const outcomes = await Promise.all(
    [...chunks].map(([partition, chunk]) =>
      settler.settle({ stream, settledBy: settledBy(partition), events: chunk, attemptMs: ATTEMPT_MS }),
    ),
  );
  const unsettled = outcomes.flat().find((outcome) => outcome.kind !== 'settled');
  if (unsettled) throw new Error(`not settled: ${JSON.stringify(unsettled, bigints)}`);
}

function bigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value;
}
