/** A connection to the configured Cassandra whose failure tells a person what to do. */
import type { Client } from 'cassandra-driver';
import type { Config } from '../config/index.ts';
import { connect } from '../ledger/connection.ts';
import { requireSchema } from '../ledger/migrate.ts';
import { reasonOf } from '../logging/reason-of.ts';
import { ledgerOptions } from './ledger-options.ts';

/** The error of a connection that failed, in words for a person. */
export function unreachable(config: Config, error: unknown): Error {
  const { contactPoints, port, keyspace } = config.cassandra;
  // The driver puts a stack trace of its first node into the message.
  const [reason = ''] = reasonOf(error).split('\n');
  return new Error(
    /Keyspace '.*' does not exist/.test(reason)
      ? `keyspace ${keyspace} does not exist: run "settled migrate"`
      : `Cassandra at ${contactPoints.map((host) => `${host}:${port}`).join(', ')} does not answer (${reason}): run ` +
          `"settled up", or set SETTLED_CASSANDRA_CONTACT_POINTS`,
    { cause: error },
  );
}

/**
 * Connects, and checks that the schema is this program's.
 *
 * @throws Error naming addresses and keyspace; MigrationError if "settled migrate" must be run first
 */
export async function openDatabase(config: Config): Promise<Client> {
  let client: Client;
  try {
    client = await connect(ledgerOptions(config));
  } catch (error) {
    throw unreachable(config, error);
  }
  try {
    await requireSchema(client);
    return client;
  } catch (error) {
    await client.shutdown();
    throw error;
  }
}
