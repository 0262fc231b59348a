/** How Temporal is reached, for a client and for a worker alike. */
import { readFileSync } from 'node:fs';
import type { Connection } from '@temporalio/client';
import type { Config } from '../config/index.ts';
import { reasonOf } from '../logging/reason-of.ts';

interface ConnectionOptions {
  readonly address: string;
  readonly tls?: Parameters<typeof Connection.connect>[0] extends { tls?: infer T } | undefined ? T : never;
  readonly apiKey?: string;
}

/** Address, TLS and API key out of the configuration. */
export function connectionOptions({ temporal }: Config): ConnectionOptions {
  const file = (path: string): Buffer => readFileSync(path);
  const { tls, apiKey } = temporal;
  return {
    address: temporal.address,
    ...(tls
      ? {
          tls: {
            ...(tls.caPath ? { serverRootCACertificate: file(tls.caPath) } : {}),
            ...(tls.serverName ? { serverNameOverride: tls.serverName } : {}),
            ...(tls.certPath && tls.keyPath
              ? { clientCertPair: { crt: file(tls.certPath), key: file(tls.keyPath) } }
              : {}),
          },
        }
      : {}),
    ...(apiKey ? { apiKey: apiKey.reveal() } : {}),
  };
}

/** What a person is told where Temporal does not answer. */
export function unreachable(config: Config, error: unknown): Error {
  const reason = reasonOf(error);
  return new Error(
    `Temporal at ${config.temporal.address} does not answer (${reason}): run "settled up", or set SETTLED_TEMPORAL_ADDRESS`,
    { cause: error },
  );
}
