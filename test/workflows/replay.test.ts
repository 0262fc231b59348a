/**
 * Today's workflow code against each shape of history that it has ever produced (I9): those committed, and the same
 * shapes made in this very run. A broken copy of the workflow is refused, so this test can fail.
 */
import proto from '@temporalio/proto';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import type { ReplayResult, WorkflowBundle } from '@temporalio/worker';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { record, SHAPES } from './shapes.ts';
import { bundle, type History, replay } from './support.ts';

const folder = new URL('../histories/', import.meta.url);

interface Committed {
  readonly name: string;
  readonly workflowId: string;
  readonly history: History;
}

const committed: Committed[] = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => {
    const { workflowId, history } = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
    return {
      name: file.replace('.json', ''),
      workflowId,
      history: proto.temporal.api.history.v1.History.fromObject(history),
    };
  });

async function replayed(
  workflowBundle: WorkflowBundle,
  histories: readonly Committed[],
): Promise<ReplayResult[]> {
  const results: ReplayResult[] = [];
  for await (const result of Worker.runReplayHistories({ workflowBundle }, [...histories]))
    results.push(result);
  return results;
}

describe('a committed history', () => {
  test('is there for each shape', () => {
    const shapes = new Set(committed.map(({ name }) => name.replace(/\.\d+$/, '')));
    expect([...shapes].sort()).toEqual(Object.keys(SHAPES).sort());
  });

  test('is reproduced by the code of today, whatever its shape', async () => {
    const results = await replayed(await bundle(), committed);
    expect(results.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(results).toHaveLength(committed.length);
  });

  test('is not reproduced by a broken copy of the workflow', async () => {
    const broken = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('broken-workflows.ts', import.meta.url)),
      logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error: console.error },
    });
    const results = await replayed(broken, committed);
    expect(results.filter(({ error }) => error === undefined)).toEqual([]);
  });
});

describe('a history made in this run', () => {
  test.each([1, 2])('of %i events, which no worker was given yet, is not waited for', async (length) => {
    const [{ history, workflowId }] = committed as [Committed];
    const begun = { events: (history.events ?? []).slice(0, length) };
    await expect(replay(begun, workflowId)).resolves.toBeUndefined();
  });

  test.each(Object.keys(SHAPES))('of shape "%s" is reproduced', async (shape) => {
    const recorded = await record(shape);
    expect(recorded.length).toBeGreaterThan(0);
    for (const { history, workflowId } of recorded) await replay(history, workflowId);
  });
});
