/**
 * An Update that Temporal took and that its workflow never hears of: its sender would wait for good. Only the first answer of
 * the server is faked here, by leaving it out.
 */
import type { Client } from '@temporalio/client';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { UpdateSender } from '../../src/ingest/update-sender.ts';
import { chunkUpdateId } from '../../src/workflows/contract.ts';
import { all, SETTLED, startPartition, type PartitionUnderTest } from '../workflows/support.ts';

let partition: PartitionUnderTest;

afterEach(() => partition.stop());

test('is sent under another id once its workflow, asked twice, does not know of it', async () => {
  partition = await startPartition();
  await partition.send(partition.chunk(1, 1));
  const { sender, ids, problems } = senderThatIsForgotten(1);
  const chunk = partition.chunk(2, 3);
  expect(await sender.send(chunk)).toMatchObject({
    kind: 'result',
    result: { outcome: 'settled', settled: 2 },
  });
  expect(ids).toHaveLength(2);
  expect(ids[1]).toBe(`${ids[0]}:again1`);
  expect(problems).toEqual([expect.stringContaining(chunkUpdateId(chunk))]);
}, 60_000);

test('is waited for as long as its workflow is at it', async () => {
  partition = await startPartition(
    async (request) => {
      await delay(15_000);
      return all(request, SETTLED);
    },
    { activityMsMax: 30_000, heartbeatMsMax: 10_000, updateMsMax: 30_000 },
  );
  const { sender, ids, problems } = senderThatIsForgotten(0);
  expect(await sender.send(partition.chunk(1, 2))).toMatchObject({ result: { outcome: 'settled' } });
  expect(ids).toHaveLength(1);
  expect(problems).toEqual([]);
}, 60_000);

/** A sender whose first so many Updates are never answered, and never reach the server's workflow. */
function senderThatIsForgotten(count: number) {
  const ids: string[] = [];
  const problems: string[] = [];
  const { workflow } = partition.client;
  const faulty = Object.create(workflow) as typeof workflow;
  Object.defineProperty(faulty, 'executeUpdateWithStart', {
    value: (name: string, options: { readonly updateId: string }) => {
      ids.push(options.updateId);
      return ids.length <= count
        ? new Promise(() => {})
        : workflow.executeUpdateWithStart(name, options as never);
    },
  });
  const client = Object.create(partition.client) as Client;
  Object.defineProperty(client, 'workflow', { value: faulty });
  const sender = new UpdateSender({
    client,
    taskQueue: partition.taskQueue,
    limits: partition.limits,
    pause: (ms) => delay(ms),
    onRetry: (_chunk, problem) => problems.push(problem),
    onStop: (stopped) => problems.push(String(stopped)),
  });
  return { sender, ids, problems };
}
