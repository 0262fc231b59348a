/** The benchmark's own workflows, bundled for Temporal's sandbox. */
import type { WorkflowBundle } from '@temporalio/worker';
import { fileURLToPath } from 'node:url';
import { workflowBundle } from '../../src/cli/workflow-bundle.ts';

/** Bundles bench/workflows. */
export function benchWorkflowBundle(): Promise<WorkflowBundle> {
  return workflowBundle(fileURLToPath(new URL('../workflows/index.ts', import.meta.url)));
}
