/**
 * Where a contender settles: a keyspace, a stream and a task queue of its own on the one stack of the run.
 */
import { loadConfig, readStackState, replicationCql, type Config } from '../src/config/index.ts';
import { ledgerOptions } from '../src/cli/ledger-options.ts';
import { temporalClient } from '../src/cli/temporal-connection.ts';
import { connect } from '../src/ledger/connection.ts';
import { migrate } from '../src/ledger/migrate.ts';
import type { Pids } from './process/usage.ts';

const DROP_MS_MAX = 60_000;

/** A contender's place. */
export interface Place {
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  readonly config: Config;
}

/** Makes places, and removes what they leave on servers that are not ours and go on. */
export class Places {
  readonly #home: string;
  /** Servers of the user's may hold what an earlier run left. */
  readonly #suffix = Date.now().toString(36);
  readonly #made: Place[] = [];

  constructor(home: string) {
    this.#home = home;
  }

  /** Makes the place of a contender: its environment, and its migrated keyspace. */
  async make(name: string): Promise<Place> {
    const id = `bench-${name}-${this.#suffix}`;
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      SETTLED_HOME: this.#home,
      SETTLED_STREAM: id,
      SETTLED_STREAM_KIND: 'numbered',
      SETTLED_CASSANDRA_KEYSPACE: id.replaceAll('-', '_'),
      SETTLED_TEMPORAL_TASK_QUEUE: id,
      SETTLED_INGEST_BIND: 'false',
      SETTLED_INSTRUMENTS: '[]',
    };
    const config = loadConfig(env);
    await migrate(ledgerOptions(config), replicationCql(config.cassandra.replication));
    const place = { name, env, config };
    this.#made.push(place);
    return place;
  }

  /** Drops the keyspaces. */
  async dropKeyspaces(): Promise<void> {
    for (const { config } of this.#made) {
      const client = await connect(ledgerOptions(config), 'cluster');
      const query = `DROP KEYSPACE IF EXISTS ${config.cassandra.keyspace}`;
      try {
        await client.execute(query, [], { prepare: false, readTimeout: DROP_MS_MAX });
      } finally {
        await client.shutdown();
      }
    }
  }

  /** Ends the workflows that wait for more. */
  async endWorkflows(): Promise<void> {
    for (const { config } of this.#made) {
      const client = await temporalClient(config);
      const { taskQueue } = config.temporal;
      const query = `TaskQueue = '${taskQueue}' AND ExecutionStatus = 'Running'`;
      try {
        for await (const { workflowId } of client.workflow.list({ query }))
          await client.workflow.getHandle(workflowId).terminate('the benchmark is over');
      } finally {
        await client.connection.close();
      }
    }
  }
}

/** The servers of the stack, where it was us who started them. */
export function serverPids(home: string): Pids {
  const { cassandra, temporal } = readStackState(home);
  return { ...(cassandra && { cassandra: cassandra.pid }), ...(temporal && { temporal: temporal.pid }) };
}
