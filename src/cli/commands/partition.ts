/**
 * `settled partition resume`: lets a halted partition decide again once its cause is mended. Who did so and why stands in
 * the workflow's history.
 */
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { loadConfig } from '../../config/index.ts';
import { resumePartition } from '../../ingest/update-sender.ts';
import { temporalClient } from '../temporal-connection.ts';

interface Flags {
  readonly stream?: string;
  readonly why: string;
  readonly who?: string;
}

async function resume(partition: string, flags: Flags): Promise<void> {
  const config = loadConfig(process.env, { stream: { name: flags.stream } });
  const client = await temporalClient(config);
  try {
    const who = flags.who ?? userInfo().username;
    const result = await resumePartition(client, config.stream.name, Number(partition), {
      who,
      why: flags.why,
    });
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } finally {
    await client.connection.close();
  }
}

/** Adds the command. */
export function register(program: Command): void {
  program
    .command('partition')
    .description('act on partitions')
    .command('resume')
    .description(
      'let a halted partition decide again, once the cause is mended (exit codes: 0 done, 1 failed)',
    )
    .argument('<partition>', 'number of the partition')
    .requiredOption('--why <text>', 'the reason; it stands in the history')
    .option('--who <name>', 'who decides (the user of this shell)')
    .option('--stream <name>', 'the stream (SETTLED_STREAM)')
    .action(resume);
}
