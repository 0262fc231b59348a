/** One stream's database and workflows, opened for a command and closed after it. */
import { userInfo } from 'node:os';
import type { Client as TemporalClient } from '@temporalio/client';
import type { Client as CassandraClient } from 'cassandra-driver';
import { loadConfig, type Config } from '../config/index.ts';
import { readStream, type StreamRecord } from '../ledger/streams.ts';
import { openDatabase } from './cassandra-connection.ts';
import { temporalClient } from './temporal-connection.ts';

/** What a command works with. */
export interface StreamSession {
  readonly config: Config;
  readonly cassandra: CassandraClient;
  readonly record: StreamRecord;
  /** Connects at the first call: looking at a table needs no Temporal. */
  temporal(): Promise<TemporalClient>;
}

/** Who decides: the name that was given, or the user of this shell. */
export function decider(who: string | undefined): string {
  return who ?? userInfo().username;
}

/**
 * Opens the stream that the flags or the configuration name, and closes what was opened.
 *
 * @throws Error if there is no such stream
 */
export async function withStream<T>(
  stream: string | undefined,
  work: (session: StreamSession) => Promise<T>,
): Promise<T> {
  const config = loadConfig(process.env, { stream: { name: stream } });
  const cassandra = await openDatabase(config);
  let temporal: TemporalClient | undefined;
  try {
    const record = await readStream(cassandra, config.stream.name);
    if (!record)
      throw new Error(
        `there is no stream ${config.stream.name} in keyspace ${config.cassandra.keyspace}: name one by --stream`,
      );
    return await work({
      config,
      cassandra,
      record,
      temporal: async () => (temporal ??= await temporalClient(config)),
    });
  } finally {
    await temporal?.connection.close();
    await cassandra.shutdown();
  }
}

/** Prints one JSON object, with 64-bit integers as decimal strings (I8), or lines of text. */
export function print(isJson: boolean | undefined, value: unknown, lines: () => readonly string[]): void {
  const text = isJson
    ? JSON.stringify(value, (_key, one: unknown) => (typeof one === 'bigint' ? one.toString() : one))
    : lines().join('\n');
  process.stdout.write(`${text}\n`);
}
