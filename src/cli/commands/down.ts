/**
 * `settled down`: stops the servers that `up` started, and removes their data if asked to.
 */
import type { Command } from 'commander';
import { loadConfig } from '../../config/index.ts';
import { progressFor, stopStack } from '../../stack/index.ts';

interface Flags {
  readonly home?: string;
  readonly wipe?: boolean;
}

async function down({ home, wipe = false }: Flags): Promise<void> {
  const config = loadConfig(process.env, home === undefined ? {} : { stack: { home } });
  const result = await stopStack(config.stack.home, { wipe, progress: progressFor(process.stderr) });
  const stopped = Object.values(result.servers).some((ending) => ending !== 'was-not-running');
  process.stdout.write(
    `${stopped ? 'The stack is down' : 'The stack was not up'}${result.wiped ? ', and its data are removed' : ''}.\n`,
  );
}

/** Adds the command. */
export function register(program: Command): void {
  program
    .command('down')
    .description('stop what `up` started (exit codes: 0 down, 1 could not)')
    .option('--home <folder>', 'where data and logs are kept (SETTLED_HOME)')
    .option('--wipe', "also remove the servers' data and logs, and the outboxes of `simulate`")
    .action(down);
}
