/**
 * Schema changes: numbered, forward-only, applied by one process at a time. A table that these migrations did not
 * create is refused: rows written at the default clock would swallow ours, which are written USING TIMESTAMP = version
 * (I3).
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { types, type Client } from 'cassandra-driver';
import { connect, type LedgerOptions } from './connection.ts';
import { tables } from './migrations/0001-tables.ts';
import { leases } from './migrations/0002-leases.ts';
import { dismissed } from './migrations/0003-dismissed.ts';

/** One numbered change of the schema. Its statements must be harmless when repeated. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  /** Tables that it creates. */
  readonly tables: readonly string[];
  readonly statements: readonly string[];
}

/** All migrations, ascending. */
export const MIGRATIONS: readonly Migration[] = [tables, leases, dismissed];

/** The schema cannot be brought up to date; the message says why and what to do. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

const DDL = { prepare: false, readTimeout: 60_000 };
/** How long a process that died in the middle of a migration keeps others out, s: longer than a statement may take. */
const LOCK_TTL_S = 90;
/** How long a process waits for the lock, ms: longer than a dead one keeps it. */
const PREPARE_ATTEMPTS_MAX = 20;
const PREPARE_PAUSE_MS = 250;
const LOCK_WAIT_MS_MAX = 120_000;

/**
 * Creates the keyspace if it is missing and applies the migrations that are missing.
 *
 * @param replication map literal of CREATE KEYSPACE; one copy if left out
 * @returns the versions applied, empty if the schema was up to date
 * @throws {@link MigrationError} if tables exist that these migrations did not create, if an applied migration differs
 * from this program's, or if another process holds the lock for too long
 */
export async function migrate(
  options: LedgerOptions,
  replication = `{'class': 'SimpleStrategy', 'replication_factor': 1}`,
): Promise<number[]> {
  const cluster = await connect(options, 'cluster');
  try {
    await cluster.execute(
      `CREATE KEYSPACE IF NOT EXISTS ${options.keyspace} WITH replication = ${replication}`,
      [],
      DDL,
    );
    await cluster.execute(`USE ${options.keyspace}`, [], DDL);
    await prepared(cluster, options.keyspace);
    return await withLock(cluster, options.keyspace, (renew) =>
      applyMissing(cluster, options.keyspace, renew),
    );
  } finally {
    await cluster.shutdown();
  }
}

/**
 * Refuses tables that are not ours and makes sure of the two that migrating needs. A table that another process is
 * creating this moment may be named by the schema before it can be asked: then this looks again.
 */
async function prepared(cluster: Client, keyspace: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await refuseForeignTables(cluster, keyspace);
      await cluster.execute(
        `CREATE TABLE IF NOT EXISTS ${keyspace}.schema_migrations
         (version int PRIMARY KEY, name text, checksum text, started_at timestamp, applied_at timestamp)`,
        [],
        DDL,
      );
      await cluster.execute(
        `CREATE TABLE IF NOT EXISTS ${keyspace}.schema_lock (name text PRIMARY KEY, holder text)`,
        [],
        DDL,
      );
      return;
    } catch (error) {
      const isBeingCreated =
        error instanceof Error && /unconfigured table|does not exist/.test(error.message);
      if (!isBeingCreated || attempt >= PREPARE_ATTEMPTS_MAX) throw error;
      await sleep(PREPARE_PAUSE_MS);
    }
  }
}

/**
 * Refuses to go on with a schema that is older or newer than this program's.
 *
 * @throws {@link MigrationError} naming both versions
 */
export async function requireSchema(client: Client): Promise<void> {
  const newest = MIGRATIONS.at(-1)?.version ?? 0;
  const applied = await appliedVersion(client);
  if (applied !== newest)
    throw new MigrationError(
      applied < newest
        ? `the schema of keyspace ${client.keyspace} is at version ${applied}, this program needs ${newest}: run "settled migrate"`
        : `the schema of keyspace ${client.keyspace} is at version ${applied}, newer than this program's ${newest}: update the program`,
    );
}

async function appliedVersion(client: Client): Promise<number> {
  try {
    const result = await client.execute('SELECT version, applied_at FROM schema_migrations', [], {
      prepare: false,
    });
    return Math.max(
      0,
      ...result.rows.filter((row) => row['applied_at']).map((row) => row['version'] as number),
    );
  } catch (error) {
    if (error instanceof Error && /unconfigured table|does not exist/.test(error.message)) return 0;
    throw error;
  }
}

async function tableNames(client: Client, keyspace: string): Promise<Set<string>> {
  const result = await client.execute(
    'SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?',
    [keyspace],
    { prepare: true },
  );
  return new Set(result.rows.map((row) => row['table_name'] as string));
}

async function refuseForeignTables(client: Client, keyspace: string): Promise<void> {
  const existing = await tableNames(client, keyspace);
  const started = new Set<number>();
  const ours = await hasOurColumns(client, keyspace);
  if (ours) {
    const result = await client.execute(`SELECT version FROM ${keyspace}.schema_migrations`, [], DDL);
    for (const row of result.rows) started.add(row['version'] as number);
  }
  const foreign = MIGRATIONS.filter((migration) => !started.has(migration.version))
    .flatMap((migration) => migration.tables)
    .filter((table) => existing.has(table));
  if (existing.has('schema_migrations') && !ours) foreign.unshift('schema_migrations');
  if (foreign.length > 0)
    throw new MigrationError(
      `keyspace ${keyspace} has tables that settled did not create: ${foreign.join(', ')}. Their rows carry clock ` +
        `times and would hide every row that settled writes. Use another keyspace (SETTLED_CASSANDRA_KEYSPACE), or ` +
        `move these tables away.`,
    );
}

/** True if `schema_migrations` is there and ours: other programs call theirs so too. */
async function hasOurColumns(client: Client, keyspace: string): Promise<boolean> {
  const result = await client.execute(
    `SELECT column_name FROM system_schema.columns WHERE keyspace_name = ? AND table_name = 'schema_migrations'`,
    [keyspace],
    { prepare: true },
  );
  const columns = new Set(result.rows.map((row) => row['column_name'] as string));
  return ['version', 'name', 'checksum', 'started_at', 'applied_at'].every((column) => columns.has(column));
}

async function applyMissing(
  client: Client,
  keyspace: string,
  renewLock: () => Promise<void>,
): Promise<number[]> {
  const result = await client.execute(
    `SELECT version, checksum, applied_at FROM ${keyspace}.schema_migrations`,
    [],
    DDL,
  );
  const done = new Map(
    result.rows
      .filter((row) => row['applied_at'])
      .map((row) => [row['version'] as number, row['checksum'] as string]),
  );
  const applied: number[] = [];
  for (const migration of MIGRATIONS) {
    const checksum = createHash('sha256').update(migration.statements.join(';\n')).digest('hex');
    const known = done.get(migration.version);
    if (known !== undefined) {
      if (known !== checksum)
        throw new MigrationError(
          `migration ${migration.version} (${migration.name}) was applied with other statements than this program ` +
            `has: the database belongs to another version of settled`,
        );
      continue;
    }
    const insert = `INSERT INTO ${keyspace}.schema_migrations (version, name, checksum, started_at) VALUES (?, ?, ?, ?)`;
    await client.execute(insert, [migration.version, migration.name, checksum, new Date()], {
      prepare: true,
    });
    for (const statement of migration.statements) {
      await renewLock();
      await client.execute(statement, [], DDL);
    }
    await client.execute(
      `UPDATE ${keyspace}.schema_migrations SET applied_at = ? WHERE version = ?`,
      [new Date(), migration.version],
      { prepare: true },
    );
    applied.push(migration.version);
  }
  return applied;
}

/** Works under the lock. `work` renews it before each statement, since two processes that create tables may clash. */
async function withLock<T>(
  client: Client,
  keyspace: string,
  work: (renew: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const holder = types.Uuid.random().toString();
  const take = `INSERT INTO ${keyspace}.schema_lock (name, holder) VALUES ('migrate', ?) IF NOT EXISTS USING TTL ${LOCK_TTL_S}`;
  const started = Date.now();
  while (!(await client.execute(take, [holder], { prepare: true, isIdempotent: false })).wasApplied()) {
    if (Date.now() - started > LOCK_WAIT_MS_MAX)
      throw new MigrationError(
        'another process is migrating this keyspace and does not finish: try again later',
      );
    await sleep(500);
  }
  const renew = async (): Promise<void> => {
    const query = `UPDATE ${keyspace}.schema_lock USING TTL ${LOCK_TTL_S} SET holder = ? WHERE name = 'migrate' IF holder = ?`;
    const result = await client.execute(query, [holder, holder], { prepare: true, isIdempotent: false });
    if (!result.wasApplied())
      throw new MigrationError(
        'another process has taken over the migration of this keyspace: try again later',
      );
  };
  try {
    return await work(renew);
  } finally {
    const release = `DELETE FROM ${keyspace}.schema_lock WHERE name = 'migrate' IF holder = ?`;
    await client.execute(release, [holder], { prepare: true, isIdempotent: false });
  }
}
