/**
 * Whether a server truly answers: Temporal describes its namespace and serves its page, Cassandra answers a query.
 * Each probe opens what it needs, closes it, and takes seconds at most.
 */
import { Connection } from '@temporalio/client';
import { msToTs, tsToMs } from '@temporalio/common/lib/time.js';
import { Client } from 'cassandra-driver';
import { STACK_DATACENTER, STACK_HOST } from '../config/index.ts';
import { isListening } from './ports.ts';

const PROBE_MS_MAX = 5_000;
const DAY_MS = 24 * 60 * 60 * 1000;

async function withTemporal<T>(port: number, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({
    address: `${STACK_HOST}:${port}`,
    connectTimeout: PROBE_MS_MAX,
  });
  try {
    return await connection.withDeadline(Date.now() + PROBE_MS_MAX, () => work(connection));
  } finally {
    await connection.close();
  }
}

/** Whether Temporal describes the namespace, and its page is served. */
export async function temporalAnswers(
  ports: { frontend: number; ui: number },
  namespace: string,
): Promise<boolean> {
  if (!(await isListening(ports.frontend)) || !(await isListening(ports.ui))) return false;
  await withTemporal(ports.frontend, (connection) =>
    connection.workflowService.describeNamespace({ namespace }),
  );
  const page = await fetch(`http://${STACK_HOST}:${ports.ui}/`, {
    signal: AbortSignal.timeout(PROBE_MS_MAX),
  });
  await page.body?.cancel();
  return page.status === 200;
}

/** Sets for how many days the namespace keeps closed runs, unless it is so already. */
export async function setRetention(port: number, namespace: string, days: number): Promise<void> {
  await withTemporal(port, async ({ workflowService }) => {
    const { config } = await workflowService.describeNamespace({ namespace });
    const wantedMs = days * DAY_MS;
    if (config?.workflowExecutionRetentionTtl && tsToMs(config.workflowExecutionRetentionTtl) === wantedMs)
      return;
    await workflowService.updateNamespace({
      namespace,
      config: { workflowExecutionRetentionTtl: msToTs(wantedMs) },
    });
  });
}

/** Cassandra's version as it answers a query, or `undefined` while nothing listens. */
export async function cassandraVersion(port: number, host = STACK_HOST): Promise<string | undefined> {
  if (!(await isListening(port, host))) return undefined;
  const client = new Client({
    contactPoints: [host],
    localDataCenter: STACK_DATACENTER,
    protocolOptions: { port },
    socketOptions: { connectTimeout: PROBE_MS_MAX, readTimeout: PROBE_MS_MAX },
    pooling: { warmup: false },
  });
  try {
    const result = await client.execute('SELECT release_version FROM system.local');
    return String(result.first()?.['release_version']);
  } finally {
    await client.shutdown();
  }
}
