/** A connection that has lost its server and found it again: it works, and leaves nothing behind when it is shut down. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'cassandra-driver';
import { expect, test } from 'vitest';
import { connect } from '../../src/ledger/connection.ts';
import { TcpProxy } from '../chaos/proxy.ts';
import { testLedgerOptions } from '../support/database.ts';

/** Of the driver's insides. */
const REFRESH = '_refresh';
const REFRESH_HOSTS = '_refreshHosts';
const OUTAGES = 3;
/** Longer than the driver takes to see that no node is left. */
const OUTAGE_MS = 1_000;
const BACK_MS_MAX = 30_000;

async function untilAnswered(client: Client): Promise<void> {
  const deadline = performance.now() + BACK_MS_MAX;
  for (;;) {
    const answer = await client.execute('SELECT key FROM system.local').catch((error: unknown) => error);
    if (!(answer instanceof Error)) return;
    if (performance.now() > deadline) throw answer;
    await sleep(50);
  }
}

test('after outages of the server, a shutdown closes every connection, and none is opened any more', async () => {
  const { contactPoints, port, datacenter, keyspace } = testLedgerOptions('system');
  const proxy = await TcpProxy.open({
    listen: { host: '127.0.0.1', port: 0 },
    target: { host: contactPoints[0]!, port },
    seed: 1,
  });
  try {
    const { address } = proxy;
    const client = await connect({
      contactPoints: [address.host],
      port: address.port,
      datacenter,
      keyspace,
    });
    for (let outage = 1; outage <= OUTAGES; outage += 1) {
      proxy.weather = { kind: 'cut' };
      await sleep(OUTAGE_MS);
      proxy.weather = { kind: 'fair' };
      await untilAnswered(client);
    }
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
