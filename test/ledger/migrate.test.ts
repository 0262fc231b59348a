/**
 * Migrations on the real Cassandra: once, twice, at once, and never over tables that are somebody else's.
 */
import type { Client } from 'cassandra-driver';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connect, type LedgerOptions } from '../../src/ledger/connection.ts';
import { migrate, MIGRATIONS, MigrationError, requireSchema } from '../../src/ledger/migrate.ts';
import { freshKeyspaceName, testLedgerOptions } from '../support/database.ts';

const opened: { options: LedgerOptions; cluster: Client }[] = [];
afterEach(async () => {
  for (const { options, cluster } of opened.splice(0)) {
    await ddl(cluster, `DROP KEYSPACE IF EXISTS ${options.keyspace}`);
    await cluster.shutdown();
  }
});

const ddl = (client: Client, statement: string) =>
  client.execute(statement, [], { prepare: false, readTimeout: 60_000 });

/** A keyspace's name, dropped after the test, and a connection to the cluster. */
async function unmigrated(): Promise<{ options: LedgerOptions; cluster: Client }> {
  const options = testLedgerOptions(freshKeyspaceName());
  const cluster = await connect(options, 'cluster');
  opened.push({ options, cluster });
  return { options, cluster };
}

async function keyspaceWith(statement: (keyspace: string) => string) {
  const { options, cluster } = await unmigrated();
  await ddl(
    cluster,
    `CREATE KEYSPACE ${options.keyspace} WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`,
  );
  await ddl(cluster, statement(options.keyspace));
  return { options, cluster };
}

async function tablesOf(cluster: Client, keyspace: string): Promise<string[]> {
  const result = await cluster.execute(
    'SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?',
    [keyspace],
    { prepare: true },
  );
  return result.rows.map((row) => row['table_name'] as string).toSorted((a, b) => (a < b ? -1 : 1));
}

const newest = MIGRATIONS.at(-1)!.version;

/** A keyspace migrated once for all tests that leave it as it was. */
let migrated: { options: LedgerOptions; cluster: Client };
beforeAll(async () => {
  const options = testLedgerOptions(freshKeyspaceName());
  migrated = { options, cluster: await connect(options, 'cluster') };
  await migrate(options);
});
afterAll(async () => {
  await ddl(migrated.cluster, `DROP KEYSPACE IF EXISTS ${migrated.options.keyspace}`);
  await migrated.cluster.shutdown();
});

describe('migrate', () => {
  test('makes every table, keeps blocking read repair, and does nothing the second time', async () => {
    const { options, cluster } = await unmigrated();
    expect(await migrate(options)).toEqual(MIGRATIONS.map(({ version }) => version));
    const tables = await tablesOf(cluster, options.keyspace);
    expect(tables).toEqual(
      [...MIGRATIONS.flatMap((one) => one.tables), 'schema_lock', 'schema_migrations'].toSorted((a, b) =>
        a < b ? -1 : 1,
      ),
    );
    expect(await migrate(options)).toEqual([]);
    const repairs = await cluster.execute(
      'SELECT table_name, read_repair, default_time_to_live FROM system_schema.tables WHERE keyspace_name = ?',
      [options.keyspace],
      { prepare: true },
    );
    for (const row of repairs.rows)
      expect([row['table_name'], row['read_repair'], row['default_time_to_live']]).toEqual([
        row['table_name'],
        'BLOCKING',
        0,
      ]);
  });

  test('of two processes at once is done by one of them', async () => {
    const { options } = await unmigrated();
    const applied = await Promise.all([migrate(options), migrate(options)]);
    expect(applied.flat()).toEqual(MIGRATIONS.map(({ version }) => version));
  });

  test('goes on where a process died in the middle', async () => {
    const { options, cluster } = migrated;
    await ddl(cluster, `DROP TABLE ${options.keyspace}.audit_findings`);
    await ddl(cluster, `DELETE applied_at FROM ${options.keyspace}.schema_migrations WHERE version = 1`);
    expect(await migrate(options)).toEqual([1]);
    expect(await tablesOf(cluster, options.keyspace)).toContain('audit_findings');
  });

  test('refuses tables that it did not create, naming them all, and leaves them alone', async () => {
    const { options, cluster } = await keyspaceWith(
      (keyspace) => `CREATE TABLE ${keyspace}.user_balances (user_id bigint PRIMARY KEY, available bigint)`,
    );
    await ddl(cluster, `CREATE TABLE ${options.keyspace}.settled_trades (trade_id bigint PRIMARY KEY)`);
    await ddl(cluster, `CREATE TABLE ${options.keyspace}.something_else (id bigint PRIMARY KEY)`);
    await expect(migrate(options)).rejects.toThrow(MigrationError);
    await expect(migrate(options)).rejects.toThrow(
      /did not create: user_balances, settled_trades\. .*SETTLED_CASSANDRA_KEYSPACE/,
    );
    expect(await tablesOf(cluster, options.keyspace)).toEqual([
      'settled_trades',
      'something_else',
      'user_balances',
    ]);
  });

  test('refuses a keyspace in which another program counts its own migrations', async () => {
    const { options, cluster } = await keyspaceWith(
      (keyspace) => `CREATE TABLE ${keyspace}.schema_migrations (version int PRIMARY KEY, dirty boolean)`,
    );
    await ddl(
      cluster,
      `INSERT INTO ${options.keyspace}.schema_migrations (version, dirty) VALUES (1, false)`,
    );
    await ddl(cluster, `CREATE TABLE ${options.keyspace}.user_balances (user_id bigint PRIMARY KEY)`);
    await expect(migrate(options)).rejects.toThrow(MigrationError);
    await expect(migrate(options)).rejects.toThrow(/did not create: schema_migrations, user_balances/);
  });

  test('refuses a migration that was applied with other statements', async () => {
    const { options, cluster } = migrated;
    const table = `${options.keyspace}.schema_migrations`;
    const result = await ddl(cluster, `SELECT checksum FROM ${table} WHERE version = 1`);
    await ddl(cluster, `UPDATE ${table} SET checksum = 'other' WHERE version = 1`);
    await expect(migrate(options)).rejects.toThrow(
      /migration 1 \(tables\) was applied with other statements than this program has/,
    );
    await ddl(cluster, `UPDATE ${table} SET checksum = '${result.first()['checksum']}' WHERE version = 1`);
    expect(await migrate(options)).toEqual([]);
  });

  test('waits for the process that holds the lock, and takes it over when that died', async () => {
    const { options, cluster } = migrated;
    await ddl(
      cluster,
      `INSERT INTO ${options.keyspace}.schema_lock (name, holder) VALUES ('migrate', 'dead') IF NOT EXISTS USING TTL 2`,
    );
    const started = performance.now();
    expect(await migrate(options)).toEqual([]);
    expect(performance.now() - started).toBeGreaterThan(1_000);
    const left = await ddl(cluster, `SELECT * FROM ${options.keyspace}.schema_lock`);
    expect(left.rows).toEqual([]);
  });
});

describe('a program that needs the schema', () => {
  async function required(options: LedgerOptions): Promise<void> {
    const client = await connect(options);
    try {
      await requireSchema(client);
    } finally {
      await client.shutdown();
    }
  }

  test('is content with the newest', async () => {
    await expect(required(migrated.options)).resolves.toBeUndefined();
  });

  test('says how to make it where it is missing', async () => {
    const { options } = await keyspaceWith(
      (keyspace) => `CREATE TABLE ${keyspace}.something_else (id bigint PRIMARY KEY)`,
    );
    await expect(required(options)).rejects.toThrow(MigrationError);
    await expect(required(options)).rejects.toThrow(
      `keyspace ${options.keyspace} is at version 0, this program needs ${newest}: run "settled migrate"`,
    );
  });

  test('refuses one that is half made, and one that is newer than itself', async () => {
    const { options, cluster } = migrated;
    const table = `${options.keyspace}.schema_migrations`;
    await ddl(cluster, `DELETE applied_at FROM ${table} WHERE version = ${newest}`);
    await expect(required(options)).rejects.toThrow(
      `is at version ${newest - 1}, this program needs ${newest}`,
    );
    await migrate(options);
    await ddl(
      cluster,
      `INSERT INTO ${table} (version, name, applied_at) VALUES (${newest + 1}, 'later', toTimestamp(now()))`,
    );
    await expect(required(options)).rejects.toThrow(
      `is at version ${newest + 1}, newer than this program's ${newest}: update the program`,
    );
    await ddl(cluster, `DELETE FROM ${table} WHERE version = ${newest + 1}`);
  });
});
