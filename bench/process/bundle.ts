/** The benchmark's own workflows, bundled for Temporal's sandbox. */
import { bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';
import { fileURLToPath } from 'node:url';

/** Bundles bench/workflows. */
export async function benchWorkflowBundle(): Promise<WorkflowBundle> {
  const quiet = (): void => {};
  const logger = { log: quiet, trace: quiet, debug: quiet, info: quiet, warn: quiet, error: console.error };
  const workflowsPath = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));
  const { code } = await bundleWorkflowCode({ workflowsPath, logger });
  return { code };
}
