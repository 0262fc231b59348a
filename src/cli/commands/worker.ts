/** `settled worker`: runs partition workflows and settles their chunks. */
import type { Command } from 'commander';
import { workflowBundle } from '../workflow-bundle.ts';

async function run(): Promise<void> {
  // In a process of its own, while this one loads what a worker needs: a worker that is started again is waited for.
  const bundling = workflowBundle();
  bundling.catch(() => undefined);
  const { runWorker } = await import('../worker-process.ts');
  await runWorker(bundling);
}

/** Adds the command. */
export function register(program: Command): void {
  program
    .command('worker')
    .description(
      'run partition workflows and settle their chunks, until interrupted (exit codes: 0 ended, 1 could not run)',
    )
    .action(run);
}
