/**
 * `settled trade show ID`: a trade's row, its legs step by step, and the run that settled it (I11).
 */
import type { Command } from 'commander';
import { loadConfig } from '../../config/index.ts';
import { readTrades } from '../../ledger/event-lookup.ts';
import { openDatabase } from '../cassandra-connection.ts';
import { eventJson, eventText } from '../event-view.ts';
import { uint63Argument } from '../uint63-argument.ts';

const NOT_FOUND_EXIT_CODE = 3;

async function show(tradeId: bigint, flags: { readonly json?: boolean }): Promise<void> {
  const config = loadConfig(process.env);
  const client = await openDatabase(config);
  try {
    const rows = await readTrades(client, tradeId);
    if (rows.length === 0) {
      process.stderr.write(`Trade ${tradeId} is not settled in keyspace ${config.cassandra.keyspace}.\n`);
      process.exitCode = NOT_FOUND_EXIT_CODE;
      return;
    }
    for (const row of rows)
      process.stdout.write(
        flags.json ? `${JSON.stringify(eventJson(config, row))}\n` : `${eventText(config, row)}\n`,
      );
    if (rows.length > 1)
      process.stderr.write(`The id ${tradeId} was used ${rows.length} times: run "settled verify".\n`);
  } finally {
    await client.shutdown();
  }
}

/** Adds the command. */
export function register(program: Command): void {
  const trade = program.command('trade').description('look at settled trades');
  trade
    .command('show')
    .description(
      "a trade's row, its legs and the run that settled it (exit codes: 0 shown, 1 could not look, 3 not settled)",
    )
    .argument('<id>', 'trade id', uint63Argument('trade id'))
    .option('--json', 'one JSON object a row')
    .action(show);
}
