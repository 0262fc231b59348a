/** The product's settler without ZeroMQ and Temporal: fed decoded events, as much in flight as an ingest would have. */
import type { RequestedEvent } from '../../src/settlement/settle-request.ts';
import { eventsOf, fund, logEvents, openDirect, settleEvents, settlerOf } from './direct.ts';
import { serve } from './serve.ts';

/** Consecutive events that are cut into chunks by partition together. */
const SLICE_EVENTS = 1_000;

const direct = await openDirect();
const settler = settlerOf(direct);

let events: readonly RequestedEvent[] = [];

function prepare({ path }: { path: string }): void {
  events = eventsOf(path);
}

async function settle(): Promise<number> {
  const inFlightEvents = direct.config.ingest.maxInFlightEvents;
  const startedMs = performance.now();
  await settleEvents(direct, settler, events, { sliceEvents: SLICE_EVENTS, inFlightEvents });
  return (performance.now() - startedMs) / 1000;
}

/** An ingest's work, which the audit wants to see. */
const finish = (): Promise<void> => logEvents(direct, events);

serve({ fund: (segment: { path: string }) => fund(direct, segment), prepare, settle, finish }, () =>
  direct.client.shutdown(),
);
