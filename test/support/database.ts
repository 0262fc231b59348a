/**
 * A keyspace for one test file on the real Cassandra: migrated as a user's would be, under a random name, so that files
 * run side by side, and dropped at the end. Where the server is comes from the global setup, or from
 * SETTLED_TEST_CASSANDRA=host:port.
 */
import { randomBytes } from 'node:crypto';
import type { Client } from 'cassandra-driver';
import { inject } from 'vitest';
import { connect, type LedgerOptions } from '../../src/ledger/connection.ts';
import { migrate } from '../../src/ledger/migrate.ts';

/** What the global setup says of the servers under test, as far as the database goes. */
interface TestedStack {
  readonly cassandraContactPoints: readonly string[];
  readonly cassandraPort: number;
  readonly datacenter: string;
}

/** A keyspace of a test's own. */
export interface TestDatabase {
  /** To connect to it: other clients, other processes. */
  readonly options: LedgerOptions;
  /** Connected to the keyspace. */
  readonly client: Client;
  /** Removes the keyspace and disconnects. */
  drop(): Promise<void>;
}

/**
 * Where the Cassandra under test is.
 *
 * @param keyspace the keyspace that the options name; it need not exist
 */
export function testLedgerOptions(keyspace: string): LedgerOptions {
  const override = process.env['SETTLED_TEST_CASSANDRA'];
  if (override !== undefined && override !== '') {
    const [host = '', port = '9042'] = override.split(':');
    return { contactPoints: [host], port: Number(port), datacenter: 'datacenter1', keyspace };
  }
  const stack = inject('stack' as never) as TestedStack | undefined;
  if (!stack)
    throw new Error('no Cassandra to test with: no global setup ran, SETTLED_TEST_CASSANDRA is unset');
  return {
    contactPoints: stack.cassandraContactPoints,
    port: stack.cassandraPort,
    datacenter: stack.datacenter,
    keyspace,
  };
}

/** A name that no other test has. */
export function freshKeyspaceName(): string {
  return `test_${randomBytes(8).toString('hex')}`;
}

/** A migrated keyspace under a random name. Call `drop()` when the tests are done. */
export async function freshKeyspace(): Promise<TestDatabase> {
  const options = testLedgerOptions(freshKeyspaceName());
  await migrate(options);
  const client = await connect(options);
  return {
    options,
    client,
    drop: async () => {
      await client.execute(`DROP KEYSPACE IF EXISTS ${options.keyspace}`, [], {
        prepare: false,
        readTimeout: 60_000,
      });
      await client.shutdown();
    },
  };
}
