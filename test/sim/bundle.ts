/**
 * The simulation as one file of plain JavaScript: it starts faster and runs faster than what a loader makes of each module
 * by itself. In it three packages are replaced: `zeromq`, whose sockets become the simulated network's, `classic-level`,
 * whose disk is simulated, and `@temporalio/activity`, for its context. All else that runs is the product as it is.
 */
import { build, type Plugin } from 'esbuild';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const REPLACED: Readonly<Record<string, string>> = {
  zeromq: 'modules/zeromq.ts',
  'classic-level': 'modules/classic-level.ts',
  '@temporalio/activity': 'modules/temporal-activity.ts',
};

/**
 * Makes the file.
 *
 * @param root of the project, or of a copy of it
 * @param folder where it is put; packages are found from there
 */
export async function bundleInto(root: string, folder: string): Promise<string> {
  const file = join(folder, 'simulation.mjs');
  await build({
    absWorkingDir: root,
    entryPoints: ['test/sim/run.ts'],
    outfile: file,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: 'linked',
    logLevel: 'warning',
    plugins: [replacePackages(join(root, 'test/sim'))],
  });
  return file;
}

/** Makes the file in a folder of its own, until it is removed. */
export async function bundle(root: string): Promise<{ file: string; remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'settled-sim-'));
  const remove = (): void => {
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    return { file: await bundleInto(root, folder), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function replacePackages(simulation: string): Plugin {
  return {
    name: 'replaced packages',
    setup(building) {
      for (const [name, file] of Object.entries(REPLACED))
        building.onResolve({ filter: new RegExp(`^${name}$`) }, () => ({ path: join(simulation, file) }));
    },
  };
}
