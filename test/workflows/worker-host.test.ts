/**
 * The worker's sizes: a start that could starve an event of an activity slot is refused.
 */
import type { NativeConnection } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { partitionWorkerOptions } from '../../src/cli/worker-host.ts';
import type { PartitionWorkerOptions } from '../../src/cli/worker-host.ts';

const options: PartitionWorkerOptions = {
  connection: {} as NativeConnection,
  namespace: 'default',
  taskQueue: 'settle',
  activities: { settle: () => Promise.reject(new Error('not asked')) },
  partitions: 16,
  updatesInFlight: 2,
  workflowBundle: { code: '' },
};

test('fewer activity slots than twice partitions × updates in flight are refused by name', async () => {
  await expect(partitionWorkerOptions({ ...options, maxConcurrentActivities: 63 })).rejects.toThrow(
    '63 activity slots are too few: 16 partitions with 2 updates in flight each need 64',
  );
  const sized = await partitionWorkerOptions({ ...options, maxConcurrentActivities: 64 });
  expect(sized.maxConcurrentActivityTaskExecutions).toBe(64);
});

test('the slots suffice by default, and each partition stays in the cache', async () => {
  const sized = await partitionWorkerOptions(options);
  expect(sized.maxConcurrentActivityTaskExecutions).toBeGreaterThanOrEqual(64);
  expect(sized.maxCachedWorkflows).toBeGreaterThanOrEqual(64);
});
