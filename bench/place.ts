/**
 * Where a contender settles: a keyspace, a stream and a task queue of its own on the one stack of the run.
 */
import { loadConfig, readStackState, replicationCql, type Config } from '../src/config/index.ts';
import { ledgerOptions } from '../src/cli/ledger-options.ts';
import { migrate } from '../src/ledger/migrate.ts';
import type { Pids } from './process/usage.ts';

/** A contender's place. */
export interface Place {
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  readonly config: Config;
}

/** Makes the place of a contender: its environment, and its migrated keyspace. */
export async function makePlace(home: string, name: string): Promise<Place> {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    SETTLED_HOME: home,
    SETTLED_STREAM: `bench-${name}`,
    SETTLED_STREAM_KIND: 'numbered',
    SETTLED_CASSANDRA_KEYSPACE: `bench_${name.replaceAll('-', '_')}`,
    SETTLED_TEMPORAL_TASK_QUEUE: `bench-${name}`,
    SETTLED_INGEST_BIND: 'false',
    SETTLED_INSTRUMENTS: '[]',
  };
  const config = loadConfig(env);
  await migrate(ledgerOptions(config), replicationCql(config.cassandra.replication));
  return { name, env, config };
}

/** The servers of the stack, where it was us who started them. */
export function serverPids(home: string): Pids {
  const { cassandra, temporal } = readStackState(home);
  return { ...(cassandra && { cassandra: cassandra.pid }), ...(temporal && { temporal: temporal.pid }) };
}
