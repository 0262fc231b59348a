/** A client of Temporal out of the configuration, and where its web UI shows a run. */
import { Client, Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';
import type { Config } from '../config/index.ts';
import { connectionOptions, unreachable } from './temporal-options.ts';

/**
 * An Update that meets the end of a run is answered with RESOURCE_EXHAUSTED, for which the SDK would wait about 1.7 s
 * before it tries again.
 */
const GRPC_RETRY_MS_FIRST = 50;

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

/** Where the web UI shows a workflow's run; undefined where no UI is known. */
export function runUrl(config: Config, workflowId: string, runId: string): string | undefined {
  const { uiUrl, namespace } = config.temporal;
  if (uiUrl === undefined) return undefined;
  const base = uiUrl.replace(/\/$/, '');
  return `${base}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}/${runId}/history`;
}
