/**
 * The connection to Cassandra: one driver client with exact 64-bit integers (I8), quorum for everything (I5a), and no
 * retries of its own, since only the settler knows what a timeout means (I5).
 */
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { auth, Client, policies, types } from 'cassandra-driver';
import { mendDriver } from './driver.ts';

/** How to reach Cassandra, and how to speak with it. */
export interface LedgerOptions {
  readonly contactPoints: readonly string[];
  readonly port: number;
  readonly datacenter: string;
  readonly keyspace: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly tls?:
    | {
        readonly caPath?: string | undefined;
        readonly certPath?: string | undefined;
        readonly keyPath?: string | undefined;
        readonly rejectUnauthorized?: boolean | undefined;
      }
    | undefined;
  /** @default 'LOCAL_QUORUM' */
  readonly consistency?: 'LOCAL_QUORUM' | 'QUORUM' | 'EACH_QUORUM' | undefined;
  /** How long one request may take before it counts as timed out, ms. @default 12 000 */
  readonly requestTimeoutMs?: number | undefined;
}

/** The consistency of a connection's reads and writes. */
export function consistencyOf(options: LedgerOptions): types.consistencies {
  return types.consistencies[
    { LOCAL_QUORUM: 'localQuorum', QUORUM: 'quorum', EACH_QUORUM: 'eachQuorum' }[
      options.consistency ?? 'LOCAL_QUORUM'
    ] as 'localQuorum'
  ];
}

/** Reads go at LOCAL_QUORUM where writes go at EACH_QUORUM: each write has reached a quorum here, too. */
export function readConsistencyOf(options: LedgerOptions): types.consistencies {
  return options.consistency === 'EACH_QUORUM' ? types.consistencies.localQuorum : consistencyOf(options);
}

/**
 * Connects.
 *
 * @param scope `keyspace` to speak within the keyspace, `cluster` before it exists
 * @throws the driver's NoHostAvailableError if no node answers
 */
export async function connect(
  options: LedgerOptions,
  scope: 'keyspace' | 'cluster' = 'keyspace',
): Promise<Client> {
  const client = new Client({
    contactPoints: [...options.contactPoints],
    localDataCenter: options.datacenter,
    // Version 4 at once: where the driver tries newer ones first, over TLS its connection gives two requests one id after
    // that, and one of them is never answered (seen with 4.10.0 and Cassandra 5.0.8).
    protocolOptions: { port: options.port, maxVersion: types.protocolVersion.v4 },
    encoding: { useBigIntAsLong: true },
    pooling: { coreConnectionsPerHost: { [types.distance.local]: 2 }, maxRequestsPerConnection: 2048 },
    socketOptions: { connectTimeout: 5_000, readTimeout: options.requestTimeoutMs ?? 12_000 },
    queryOptions: { prepare: true, isIdempotent: true, consistency: consistencyOf(options) },
    policies: {
      retry: new policies.retry.FallthroughRetryPolicy(),
      reconnection: new policies.reconnection.ExponentialReconnectionPolicy(200, 5_000, true),
    },
    ...(scope === 'keyspace' ? { keyspace: options.keyspace } : {}),
    ...(options.username === undefined
      ? {}
      : { authProvider: new auth.PlainTextAuthProvider(options.username, options.password ?? '') }),
    ...(options.tls ? { sslOptions: tlsOptions(options.tls) } : {}),
  });
  const { closeLeftOpen, giveUp } = mendDriver(client);
  try {
    await client.connect();
    closeLeftOpen();
    return client;
  } catch (error) {
    await client.shutdown();
    giveUp();
    throw error;
  }
}

function tlsOptions(tls: NonNullable<LedgerOptions['tls']>): ConnectionOptions {
  const file = (path: string | undefined): Buffer | undefined =>
    path === undefined ? undefined : readFileSync(path);
  const ca = file(tls.caPath);
  const cert = file(tls.certPath);
  const key = file(tls.keyPath);
  return {
    rejectUnauthorized: tls.rejectUnauthorized ?? true,
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
  };
}
