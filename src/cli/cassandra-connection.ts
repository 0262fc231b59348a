/** A connection to the configured Cassandra whose failure tells a person what to do. */
import type { Client } from 'cassandra-driver';
import type { Config } from '../config/index.ts';
import { connect } from '../ledger/connection.ts';
import { requireSchema } from '../ledger/migrate.ts';
import { ledgerOptions } from './ledger-options.ts';

/**
 * Connects, and checks that the schema is this program's.
 *
 * @throws Error naming addresses and keyspace; MigrationError if "settled migrate" must be run first
 */
export async function openDatabase(config: Config): Promise<Client> {
  const { contactPoints, port, keyspace } = config.cassandra;
  let client: Client;
  try {
    client = await connect(ledgerOptions(config));
  } catch (error) {
    // The driver puts a stack trace of its first node into the message.
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new Error(
      /Keyspace '.*' does not exist/.test(reason)
        ? `keyspace ${keyspace} does not exist: run "settled migrate"`
        : `Cassandra at ${contactPoints.map((host) => `${host}:${port}`).join(', ')} does not answer (${reason}): run ` +
            `"settled up", or set SETTLED_CASSANDRA_CONTACT_POINTS`,
      { cause: error },
    );
  }
  try {
    await requireSchema(client);
    return client;
  } catch (error) {
    await client.shutdown();
    throw error;
  }
}
