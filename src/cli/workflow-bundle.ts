/**
 * The workflows' code, bundled for Temporal's sandbox. Bundling takes about a second, so it is done at each start and
 * never kept: a stale bundle would replay histories against other code (I9).
 */
import type { WorkflowBundle } from '@temporalio/worker';
import { execa } from 'execa';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The bundle's entry: src/workflows/index, as TypeScript or as built. */
export const workflowsPath = fileURLToPath(
  new URL(`../workflows/index${extname(fileURLToPath(import.meta.url))}`, import.meta.url),
);

/** Far above what bundling takes on a machine under load, ms. */
const BUNDLE_MS_MAX = 120_000;

/**
 * Bundles workflows.
 *
 * @param path the bundle's entry. Default: all workflows of this project
 * @throws Error with webpack's own words if they cannot be bundled
 */
export async function workflowBundle(path = workflowsPath): Promise<WorkflowBundle> {
  const child = fileURLToPath(
    new URL(`bundle-child${extname(fileURLToPath(import.meta.url))}`, import.meta.url),
  );
  const { stdout } = await execa(
    process.execPath,
    ['--import', import.meta.resolve('tsx/esm'), child, path],
    { timeout: BUNDLE_MS_MAX, stdin: 'ignore', stripFinalNewline: false, maxBuffer: 64 * 1024 * 1024 },
  );
  return { code: stdout };
}
