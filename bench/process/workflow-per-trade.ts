/**
 * A workflow for each trade: started, run and awaited, so many at once. Each runs the product's settle activity for its
 * one trade, by a settler that all of them share, so that trades that build on one another wait in memory.
 */
import { Worker } from '@temporalio/worker';
import { createSettleActivities } from '../../src/activities/settle.ts';
import { temporalClient } from '../../src/cli/temporal-connection.ts';
import { workerConnection } from '../../src/cli/worker-connection.ts';
import { partitionWorkerOptions } from '../../src/cli/worker-host.ts';
import { LEDGER_COLUMNS, rowOf, TRADE_COLUMNS } from '../../src/domain/chunk.ts';
import { partitionOfEvent } from '../../src/domain/partition.ts';
import type { Chunk } from '../../src/workflows/contract.ts';
import { benchWorkflowBundle } from './bundle.ts';
import { eventsOf, fund, openDirect, settlerOf, sideBySide } from './direct.ts';
import { serve } from './serve.ts';

/** More workflows are never under way at once. */
const IN_FLIGHT_MAX = 64;

const direct = await openDirect();
const { config, stream } = direct;
const connection = await workerConnection(config);
const client = await temporalClient(config);
const { namespace, taskQueue } = config.temporal;
const activities = createSettleActivities({
  settler: settlerOf(direct),
  attemptMs: config.settlement.attemptMs,
  quarantine: (_, conflict) => Promise.reject(new Error(`sequence ${conflict.sequence}: ${conflict.reason}`)),
});
const worker = await Worker.create({
  // As the product's worker, with room for all that is under way.
  ...(await partitionWorkerOptions({
    connection,
    namespace,
    taskQueue,
    activities,
    partitions: config.stream.partitions,
    updatesInFlight: 1,
    workflowBundle: await benchWorkflowBundle(),
  })),
  maxCachedWorkflows: 4 * IN_FLIGHT_MAX,
  maxConcurrentWorkflowTaskExecutions: IN_FLIGHT_MAX,
  maxConcurrentActivityTaskExecutions: 2 * IN_FLIGHT_MAX,
});
const running = worker.run();

let chunks: readonly Chunk[] = [];
let inFlight = 1;

function prepare({ path, settings }: { path: string; settings: { inFlight: number } }): void {
  const { partitions } = config.stream;
  inFlight = settings.inFlight;
  chunks = eventsOf(path).map((routed): Chunk => {
    const { sequence } = routed.event;
    return {
      stream,
      partition: partitionOfEvent(routed.event, partitions),
      lease: '1',
      first: `${sequence}`,
      last: `${sequence}`,
      try: 0,
      trades: { columns: TRADE_COLUMNS, rows: [rowOf(routed)] },
      ledgerEvents: { columns: LEDGER_COLUMNS, rows: [] },
    };
  });
}

/**
 * Resolves with the time that all would have taken at the rate of the first: the last ones, when fewer and fewer are under
 * way, are left out, since one that Temporal hands to a worker seconds late would stand for many.
 */
async function settle(): Promise<number> {
  const atOnce = Math.min(inFlight, IN_FLIGHT_MAX, Math.ceil(chunks.length / 2));
  const startedMs = performance.now();
  const full = chunks.length - atOnce + 1;
  let ended = 0;
  let fullMs = 0;
  await sideBySide(chunks, atOnce, async (chunk) => {
    await client.workflow.execute('settleTrade', {
      args: [chunk],
      workflowId: `trade-${stream}-${chunk.first}`,
      taskQueue,
    });
    ended += 1;
    if (ended === full) fullMs = performance.now() - startedMs;
  });
  return (fullMs / full) * (chunks.length / 1000);
}

serve(
  {
    fund: (segment: { path: string }) => fund(direct, segment),
    prepare,
    settle,
    finish: () => undefined,
  },
  async () => {
    worker.shutdown();
    await running;
    await Promise.all([connection.close(), client.connection.close(), direct.client.shutdown()]);
  },
);
