/** Connections to Temporal out of the configuration: a client's, and a worker's. */
import { readFileSync } from 'node:fs';
import { Client, Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import type { Config } from '../config/index.ts';

/**
 * An Update that meets the end of a run is answered with RESOURCE_EXHAUSTED, for which the SDK would wait about 1.7 s
 * before it tries again.
 */
const GRPC_RETRY_MS_FIRST = 50;

interface ConnectionOptions {
  readonly address: string;
  readonly tls?: Parameters<typeof Connection.connect>[0] extends { tls?: infer T } | undefined ? T : never;
  readonly apiKey?: string;
}

function connectionOptions({ temporal }: Config): ConnectionOptions {
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

function unreachable(config: Config, error: unknown): Error {
  const reason = error instanceof Error ? error.message : String(error);
  return new Error(
    `Temporal at ${config.temporal.address} does not answer (${reason}): run "settled up", or set SETTLED_TEMPORAL_ADDRESS`,
    { cause: error },
  );
}

/**
 * A client of the configured Temporal. Close its connection at the end.
 *
 * @throws Error naming the address if it does not answer
 */
export async function temporalClient(config: Config): Promise<Client> {
  try {
    const connection = await Connection.connect({
      ...connectionOptions(config),
      interceptors: [
        makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ initialIntervalMs: () => GRPC_RETRY_MS_FIRST })),
      ],
    });
    return new Client({ connection, namespace: config.temporal.namespace });
  } catch (error) {
    throw unreachable(config, error);
  }
}

/**
 * A worker's connection to the configured Temporal. Without compression: the SDK gzips what it sends by default, and asks
 * for gzip, which cost worker and server more than the bytes that it saved between neighbours.
 *
 * @throws Error naming the address if it does not answer
 */
export async function workerConnection(config: Config): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect({
      ...connectionOptions(config),
      grpcCompression: { codec: 'none' },
    });
  } catch (error) {
    throw unreachable(config, error);
  }
}

/** Where the web UI shows a workflow's run; undefined where no UI is known. */
export function runUrl(config: Config, workflowId: string, runId: string): string | undefined {
  const { uiUrl, namespace } = config.temporal;
  if (uiUrl === undefined) return undefined;
  const base = uiUrl.replace(/\/$/, '');
  return `${base}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}/${runId}/history`;
}
