/** A connection that has lost its server and found it again: it works, and leaves nothing behind when it is shut down. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'cassandra-driver';
import { expect, test } from 'vitest';
import { connect, type LedgerOptions } from '../../src/ledger/connection.ts';
import { TcpProxy, type Address } from '../chaos/proxy.ts';
import { makeCertificate, TlsEnd } from '../chaos/tls-end.ts';
import { testLedgerOptions } from '../support/database.ts';

/** Of the driver's insides. */
const REFRESH = '_refresh';
const REFRESH_HOSTS = '_refreshHosts';
const OUTAGES = 5;
/** Two of the pool, one of which serves as control connection, and one that is just being replaced. */
const CONNECTIONS_MAX = 3;
/** Longer than the driver takes to see that no node is left. */
const OUTAGE_MS = 1_000;
const BACK_MS_MAX = 30_000;
/** Its answer is long enough to be hit. */
const LARGE = `SELECT * FROM system_schema.columns WHERE keyspace_name = 'system'`;

/** A client behind a proxy, which leads to the server or to what is said to stand before it. */
async function behindProxy(
  seed: number,
  { target, ...more }: Partial<LedgerOptions> & { readonly target?: Address } = {},
): Promise<{ proxy: TcpProxy; client: Client }> {
  const options = testLedgerOptions('system');
  const server = { host: options.contactPoints[0]!, port: options.port };
  const proxy = await TcpProxy.open({
    listen: { host: '127.0.0.1', port: 0 },
    target: target ?? server,
    seed,
  });
  const { host, port } = proxy.address;
  try {
    return { proxy, client: await connect({ ...options, contactPoints: [host], port, ...more }) };
  } catch (error) {
    await proxy.close();
    throw error;
  }
}

async function untilAnswered(client: Client): Promise<void> {
  const deadline = performance.now() + BACK_MS_MAX;
  for (;;) {
    const answer = await client.execute('SELECT key FROM system.local').catch((error: unknown) => error);
    if (!(answer instanceof Error)) return;
    if (performance.now() > deadline) throw answer;
    await sleep(50);
  }
}

test('after outages of the server there are no more connections than before; a shutdown closes each, and none is opened any more', async () => {
  const { proxy, client } = await behindProxy(1);
  try {
    for (let outage = 1; outage <= OUTAGES; outage += 1) {
      proxy.weather = { kind: 'cut' };
      await sleep(OUTAGE_MS);
      proxy.weather = { kind: 'fair' };
      await untilAnswered(client);
    }
    await sleep(OUTAGE_MS);
    expect(proxy.open).toBeGreaterThan(0);
    expect(proxy.open).toBeLessThanOrEqual(CONNECTIONS_MAX);
    await client.shutdown();
    await sleep(200);
    const { connections, cutConnections } = proxy.counts;
    // Whoever is still connected is counted as cut, and who connects again too.
    proxy.weather = { kind: 'cut' };
    await sleep(OUTAGE_MS);
    expect(proxy.counts).toMatchObject({ connections, cutConnections });
  } finally {
    await proxy.close();
  }
});

test('after bytes were changed on the way, it answers again, with no more connections than before', async () => {
  const { contactPoints, port } = testLedgerOptions('system');
  const folder = mkdtempSync(join(tmpdir(), 'settled-connection-'));
  const certificate = await makeCertificate(folder, ['127.0.0.1']);
  const end = await TlsEnd.open(certificate, { host: contactPoints[0]!, port });
  const { proxy, client } = await behindProxy(2, {
    target: end.address,
    requestTimeoutMs: 1_000,
    tls: { caPath: certificate.caPath },
  });
  const over = new AbortController();
  try {
    // What an outage makes fail is asked again, as everybody does.
    const asking = Array.from({ length: 4 }, async () => {
      while (!over.signal.aborted) await client.execute(LARGE).catch(() => sleep(20));
    });
    for (let outage = 1; outage <= OUTAGES; outage += 1) {
      proxy.weather = { kind: 'corrupt', everyBytes: 20_000, mask: 255 };
      await sleep(2 * OUTAGE_MS);
      proxy.weather = { kind: 'fair' };
      await untilAnswered(client);
    }
    over.abort();
    await Promise.all(asking);
    await sleep(2 * OUTAGE_MS);
    expect(proxy.open).toBeGreaterThan(0);
    expect(proxy.open).toBeLessThanOrEqual(CONNECTIONS_MAX);
    await client.shutdown();
  } finally {
    over.abort();
    await proxy.close();
    await end.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a connection on which nothing comes any more is cut and replaced', async () => {
  const { proxy, client } = await behindProxy(1, { requestTimeoutMs: 500 });
  try {
    const { connections } = proxy.counts;
    proxy.weather = { kind: 'silent' };
    await expect(client.execute('SELECT key FROM system.local')).rejects.toThrow(/timeout/);
    await expect.poll(() => proxy.counts.connections, { timeout: 10_000 }).toBeGreaterThan(connections);
    await client.shutdown();
  } finally {
    await proxy.close();
  }
});

test('two searches for a control connection at once end no process, and there is one in the end', async () => {
  const client = await connect(testLedgerOptions('system'));
  try {
    const { controlConnection: control } = client as unknown as {
      readonly controlConnection: Record<typeof REFRESH | typeof REFRESH_HOSTS, () => Promise<void>> & {
        connection: unknown;
      };
    };
    const refreshHosts = control[REFRESH_HOSTS].bind(control);
    // As where another search begins meanwhile, and takes the connection away.
    control[REFRESH_HOSTS] = () => {
      control[REFRESH_HOSTS] = refreshHosts;
      control.connection = null;
      return Promise.reject(new Error('the connection was closed'));
    };
    await control[REFRESH]();
    await expect.poll(() => control.connection, { timeout: 10_000 }).not.toBeNull();
    await untilAnswered(client);
  } finally {
    await client.shutdown();
  }
});
