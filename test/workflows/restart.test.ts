/**
 * Workers that go in the middle of a chunk, by kill -9 and by an orderly shutdown: the Update that its sender waits for
 * goes on with the next worker, and its history is the same as if nothing had happened.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import {
  activityResults,
  all,
  behind,
  eventNames,
  type PartitionUnderTest,
  preparePartition,
  replay,
  SETTLED,
  startPartition,
  temporalAddress,
} from './support.ts';

let partition: PartitionUnderTest;

afterEach(async () => {
  const history = await partition.history();
  await partition.stop();
  await replay(history, partition.workflowId);
});

describe('a worker', () => {
  test('killed while it settles a chunk is replaced, and the sender gets its result', async () => {
    // The next worker has to be made first, which takes its time on a loaded machine.
    partition = await preparePartition(undefined, { updateMsMax: 30_000 });
    const child = spawn(
      process.execPath,
      [
        '--import',
        'tsx',
        fileURLToPath(new URL('worker-child.ts', import.meta.url)),
        temporalAddress(),
        partition.taskQueue,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      const sent = partition.send(partition.chunk(1, 3));
      await once(child.stdout, 'data');
      child.kill('SIGKILL');
      await once(child, 'exit');
      await partition.startWorker();
      expect(await sent).toMatchObject({ outcome: 'settled', settled: 3, attempts: 1 });
    } finally {
      child.kill('SIGKILL');
    }
    expect(activityResults(await partition.history())).toMatchObject([{ settled: 3, retried: true }]);
    expect((await partition.status()).quietAt).toBeDefined();
  }, 60_000);

  test('shut down while it settles a chunk lets the next one do it', async () => {
    let aborted = 0;
    partition = await startPartition((request, call) => {
      if (call > 1) return all(request, SETTLED);
      return new Promise((_resolve, reject) => {
        request.signal?.addEventListener('abort', () => {
          aborted += 1;
          reject(new Error('aborted'));
        });
      });
    });
    const sent = partition.send(partition.chunk(1, 3));
    await expect.poll(() => partition.settler.requests.length, { timeout: 4_000 }).toBe(1);
    await partition.stopWorker();
    expect(aborted).toBe(1);
    await partition.startWorker();
    expect(await sent).toMatchObject({ outcome: 'settled', settled: 3 });
  }, 60_000);

  test('shut down while a chunk waits on its timer lets the next one go on from the history', async () => {
    partition = await startPartition((request, call) => all(request, call === 1 ? behind() : SETTLED), {
      waitMsFirst: 1_000,
      waitMsMax: 1_000,
    });
    const sent = partition.send(partition.chunk(1, 3));
    await expect
      .poll(async () => eventNames(await partition.history()), { timeout: 4_000 })
      .toContain('TimerStarted');
    await partition.stopWorker();
    await partition.startWorker();
    expect(await sent).toMatchObject({ outcome: 'settled', attempts: 2 });
    expect(partition.settler.requests).toHaveLength(2);
  }, 60_000);

  test('that is idle leaves a workflow which the next one serves within seconds', async () => {
    partition = await startPartition();
    await partition.send(partition.chunk(1, 1));
    await partition.stopWorker();
    await partition.startWorker();
    const begunMs = Date.now();
    expect(await partition.send(partition.chunk(2, 2))).toMatchObject({ outcome: 'settled' });
    expect(Date.now() - begunMs).toBeLessThan(5_000);
  });
});
