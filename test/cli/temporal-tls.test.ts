/**
 * A Temporal behind TLS with client certificates: the real server, with its TLS ended by a proxy of the test, since the
 * development server has none of its own. The API key is what the server's side sees, and nobody else.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { connect as connectTcp, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporalClient } from '../../src/cli/temporal-connection.ts';
import { workerConnection } from '../../src/cli/worker-connection.ts';
import { loadConfig, type Config } from '../../src/config/index.ts';
import { temporalAddress } from '../ingest/rig.ts';
import { makeCertificates, type Certificates } from '../support/certificates.ts';

const API_KEY = 'planted-api-key-5c20';
const folder = mkdtempSync(join(tmpdir(), 'settled-tls-'));
let certificates: Certificates;
let proxy: Server;
let listener: Http2SecureServer;
const authorizations: (string | undefined)[] = [];

beforeAll(async () => {
  certificates = await makeCertificates(join(folder, 'certificates'));
  const files = {
    key: readFileSync(certificates.server.key),
    cert: readFileSync(certificates.server.cert),
    ca: readFileSync(certificates.ca),
  };
  const [host = '', port = ''] = temporalAddress().split(':');
  proxy = createServer(
    { ...files, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['h2'] },
    (secured) => {
      const plain = connectTcp(Number(port), host);
      secured.pipe(plain).pipe(secured);
      for (const [one, other] of [
        [secured, plain],
        [plain, secured],
      ] as const)
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
    },
  );
  listener = createSecureServer(files);
  listener.on('stream', (stream, headers) => {
    authorizations.push(headers.authorization);
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '16' },
      { endStream: true },
    );
  });
  for (const server of [proxy, listener])
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}, 100_000);
afterAll(() => {
  proxy.close();
  listener.close();
  rmSync(folder, { recursive: true, force: true });
});

function configOf(server: Server | Http2SecureServer, more: NodeJS.ProcessEnv = {}): Config {
  return loadConfig({
    SETTLED_TEMPORAL_ADDRESS: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    SETTLED_TEMPORAL_TLS_CA_PATH: certificates.ca,
    SETTLED_TEMPORAL_TLS_CERT_PATH: certificates.client.cert,
    SETTLED_TEMPORAL_TLS_KEY_PATH: certificates.client.key,
    ...more,
  });
}

describe('a Temporal behind TLS', () => {
  test('is reached by clients and workers with the right certificates', async () => {
    const client = await temporalClient(configOf(proxy));
    const { namespaces } = await client.workflowService.listNamespaces({});
    expect(namespaces.map((one) => one.namespaceInfo?.name)).toContain('default');
    await client.connection.close();
    const worker = await workerConnection(configOf(proxy, { SETTLED_TEMPORAL_TLS_SERVER_NAME: 'localhost' }));
    await worker.close();
  });

  // At once: the client gives up after ten seconds each.
  test.concurrent.each([
    ['another authority', { SETTLED_TEMPORAL_TLS_CA_PATH: 'other' }],
    ['no client certificate', { SETTLED_TEMPORAL_TLS_CERT_PATH: '', SETTLED_TEMPORAL_TLS_KEY_PATH: '' }],
    ['another name than the certificate has', { SETTLED_TEMPORAL_TLS_SERVER_NAME: 'elsewhere.example' }],
    ['no TLS', { SETTLED_TEMPORAL_TLS: 'false' }],
  ])('is not reached with %s, in plain words', async (_what, more) => {
    const env =
      'SETTLED_TEMPORAL_TLS_CA_PATH' in more ? { SETTLED_TEMPORAL_TLS_CA_PATH: certificates.otherCa } : more;
    const config = configOf(proxy, env);
    await expect(temporalClient(config)).rejects.toThrow(/Temporal at 127\.0\.0\.1:\d+ does not answer/);
  });

  test('is shown the API key, from a file or a variable, which nobody else is', async () => {
    const keyPath = join(folder, 'api-key');
    writeFileSync(keyPath, `${API_KEY}\n`, { mode: 0o600 });
    for (const more of [{ SETTLED_TEMPORAL_API_KEY_PATH: keyPath }, { SETTLED_TEMPORAL_API_KEY: API_KEY }]) {
      const config = configOf(listener, more);
      const error: unknown = await temporalClient(config).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(Error);
      expect(authorizations.at(-1)).toBe(`Bearer ${API_KEY}`);
      expect((error as Error).message).toContain('does not answer');
      expect(`${String(error)} ${(error as Error).stack} ${JSON.stringify(config)}`).not.toContain(API_KEY);
    }
  });

  test('is not shown the key in the clear unless that is asked for', () => {
    expect(loadConfig({ SETTLED_TEMPORAL_API_KEY: API_KEY }).temporal.tls).toBeDefined();
  });
});
