/** The ledger's connection options out of the configuration. */
import type { Config } from '../config/index.ts';
import type { LedgerOptions } from '../ledger/connection.ts';

/** How to reach the configured Cassandra. */
export function ledgerOptions({ cassandra }: Config): LedgerOptions {
  return {
    contactPoints: cassandra.contactPoints,
    port: cassandra.port,
    datacenter: cassandra.datacenter,
    keyspace: cassandra.keyspace,
    username: cassandra.username,
    password: cassandra.password?.reveal(),
    tls: cassandra.tls,
    consistency: cassandra.consistency,
    requestTimeoutMs: cassandra.requestTimeoutMs,
  };
}
