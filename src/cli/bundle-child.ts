/**
 * Bundles the workflows and prints the code: a process of its own, so that the bundler's memory, above 100 MiB, is gone
 * before settlement begins. Started by workflow-bundle.ts with the path of the workflows.
 */
import { bundleWorkflowCode } from '@temporalio/worker';

const [, , workflowsPath = ''] = process.argv;
const quiet = (): void => {};
const logger = { log: quiet, trace: quiet, debug: quiet, info: quiet, warn: quiet, error: console.error };
const { code } = await bundleWorkflowCode({ workflowsPath, logger });
process.stdout.write(code);
