/** A worker whose one activity does nothing, of the sizes of the product's: what Temporal itself takes, and no more. */
import { Worker } from '@temporalio/worker';
import { workerConnection } from '../../src/cli/worker-connection.ts';
import { partitionWorkerOptions } from '../../src/cli/worker-host.ts';
import { loadConfig } from '../../src/config/index.ts';
import { UPDATES_IN_FLIGHT_MAX } from '../../src/workflows/contract.ts';
import type { NoopActivities } from '../workflows/index.ts';
import { benchWorkflowBundle } from './bundle.ts';
import { serve } from './serve.ts';

const config = loadConfig(process.env);
const connection = await workerConnection(config);
const activities: NoopActivities = { noop: () => Promise.resolve() };
const { namespace, taskQueue } = config.temporal;
const sizes = { partitions: config.stream.partitions, updatesInFlight: UPDATES_IN_FLIGHT_MAX };
const options = await partitionWorkerOptions({
  connection,
  namespace,
  taskQueue,
  // Only its sizes are wanted: the activity is replaced below.
  activities: { settle: () => Promise.reject(new Error('nothing is settled here')) },
  ...sizes,
  workflowBundle: await benchWorkflowBundle(),
});
const worker = await Worker.create({ ...options, activities });
const running = worker.run();

serve({}, async () => {
  worker.shutdown();
  await running;
  await connection.close();
});
