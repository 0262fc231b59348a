/**
 * `settled partition resume`: lets a halted partition decide again once its cause is mended. Who did so and why stands in
 * the workflow's history.
 */
import { userInfo } from 'node:os';
import { InvalidArgumentError, type Command } from 'commander';
import { loadConfig } from '../../config/index.ts';
import { resumePartition } from '../../ingest/update-sender.ts';
import { temporalClient } from '../temporal-connection.ts';

/** Without an answer after so long no worker runs, ms. */
const ANSWER_MS_MAX = 30_000;

interface Flags {
  readonly stream?: string;
  readonly why: string;
  readonly who?: string;
}

async function resume(partition: number, flags: Flags): Promise<void> {
  const config = loadConfig(process.env, { stream: { name: flags.stream } });
  const { name, partitions } = config.stream;
  if (partition >= partitions)
    throw new Error(`stream ${name} has partitions 0 to ${partitions - 1}, not ${partition}`);
  const client = await temporalClient(config);
  try {
    const who = flags.who ?? userInfo().username;
    const result = await client
      .withDeadline(Date.now() + ANSWER_MS_MAX, () =>
        resumePartition(client, name, partition, { who, why: flags.why }),
      )
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(
          `partition ${partition} of ${name} was not resumed (${reason}): has it been started, and is a worker running?`,
          { cause: error },
        );
      });
    process.stdout.write(
      result.lifted
        ? `Partition ${partition} of ${name} goes on: ${result.lifted.conflict.event} (sequence ` +
            `${result.lifted.conflict.sequence}) is decided again.\n`
        : `Partition ${partition} of ${name} was not halted; nothing is changed.\n`,
    );
  } finally {
    await client.connection.close();
  }
}

function number(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('The number of a partition is needed.');
  return Number(text);
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
    .argument('<partition>', 'number of the partition', number)
    .requiredOption('--why <text>', 'the reason; it stands in the history')
    .option('--who <name>', 'who decides (the user of this shell)')
    .option('--stream <name>', 'the stream (SETTLED_STREAM)')
    .action(resume);
}
