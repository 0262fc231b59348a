/**
 * `settled migrate`: creates the keyspace and brings its tables up to date.
 */
import { errors } from 'cassandra-driver';
import type { Command } from 'commander';
import { loadConfig, replicationCql } from '../../config/index.ts';
import { migrate } from '../../ledger/migrate.ts';
import { unreachable } from '../cassandra-connection.ts';
import { ledgerOptions } from '../ledger-options.ts';

async function run(): Promise<void> {
  const config = loadConfig(process.env);
  const replication = replicationCql(config.cassandra.replication);
  const applied = await migrate(ledgerOptions(config), replication).catch((error: unknown) => {
    throw error instanceof errors.NoHostAvailableError ? unreachable(config, error) : error;
  });
  const { keyspace } = config.cassandra;
  process.stdout.write(
    applied.length > 0
      ? `Keyspace ${keyspace}: applied migration ${applied.join(', ')}.\n`
      : `Keyspace ${keyspace} is up to date.\n`,
  );
}

/** Adds the command. */
export function register(program: Command): void {
  program
    .command('migrate')
    .description(
      'create the keyspace and bring its tables up to date (exit codes: 0 done, 1 refused or failed)',
    )
    .action(run);
}
