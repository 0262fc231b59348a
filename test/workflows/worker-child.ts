/**
 * A worker in a process of its own, made to be killed: its settler says on standard output that it was asked, and never
 * answers. Arguments: the server's address, the task queue.
 */
import { NativeConnection } from '@temporalio/worker';
import { createSettleActivities } from '../../src/activities/settle.ts';
import { createPartitionWorker } from '../../src/cli/worker-host.ts';

const [address = '', taskQueue = ''] = process.argv.slice(2);
const worker = await createPartitionWorker({
  connection: await NativeConnection.connect({ address }),
  namespace: 'default',
  taskQueue,
  partitions: 1,
  updatesInFlight: 1,
  activities: createSettleActivities({
    attemptMs: 60_000,
    quarantine: () => Promise.resolve(),
    settler: {
      settle: () => {
        process.stdout.write('asked\n');
        return new Promise(() => {});
      },
    },
  }),
});
await worker.run();
