/**
 * A Cassandra that asks for TLS, a client certificate, user and password: our commands reach it with all of them, are
 * refused in plain words with any of them wrong, and print no secret.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../../src/cli/cassandra-connection.ts';
import { ledgerOptions } from '../../src/cli/ledger-options.ts';
import { loadConfig } from '../../src/config/index.ts';
import { connect } from '../../src/ledger/connection.ts';
import { cassandraFiles } from '../../src/stack/cassandra-files.ts';
import { cassandraServer } from '../../src/stack/cassandra-server.ts';
import { homePaths, makeHome } from '../../src/stack/home.ts';
import { pickFreePort } from '../../src/stack/ports.ts';
import { lineProgress } from '../../src/stack/index.ts';
import { requireJava } from '../../src/stack/tools.ts';
import { makeCertificates, type Certificates } from '../support/certificates.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/settled.mjs', import.meta.url));
const PASSWORD = 'planted-secret-8b1f';
const folder = mkdtempSync(join(tmpdir(), 'settled-tls-'));
const home = join(folder, 'home');
let certificates: Certificates;
let port = 0;
let server: ChildProcess | undefined;

beforeAll(async () => {
  certificates = await makeCertificates(join(folder, 'certificates'));
  await startServer();
}, 200_000);
afterAll(async () => {
  if (server && server.exitCode === null && server.signalCode === null) {
    const ended = new Promise((resolve) => server?.once('exit', resolve));
    server.kill('SIGKILL');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

/** The stack's own Cassandra, with what a careful operator would add to its configuration. */
async function startServer(): Promise<void> {
  const { stack } = loadConfig({
    ...process.env,
    SETTLED_HOME: home,
    SETTLED_STACK_CASSANDRA_HEAP_MIB: '512',
  });
  makeHome(home);
  const { env } = process;
  const search = {
    cacheDir: stack.cacheDir,
    env,
    progress: lineProgress(() => undefined),
    signal: undefined,
  };
  const tools = async () => ({
    java: (await requireJava(stack.javaHome, env)).program,
    jars: await cassandraFiles(search),
  });
  const kind = cassandraServer({ home, tools, settings: stack, env });
  port = await pickFreePort(new Set());
  const launch = await kind.prepare({ cql: port, storage: await pickFreePort(new Set([port])) });
  const config = homePaths(home).cassandraConfig;
  writeFileSync(
    config,
    readFileSync(config, 'utf8').replace('AllowAllAuthenticator', 'PasswordAuthenticator'),
  );
  const store = join(folder, 'server-store.pem');
  const { key, cert } = certificates.server;
  writeFileSync(store, readFileSync(key, 'utf8') + readFileSync(cert, 'utf8'));
  appendFileSync(
    config,
    `\nclient_encryption_options:\n  enabled: true\n  optional: false\n  require_client_auth: true\n` +
      `  ssl_context_factory:\n    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory\n` +
      `  keystore: '${store}'\n  truststore: '${certificates.ca}'\n`,
  );
  const args = ['-Dcassandra.superuser_setup_delay_ms=0', ...launch.args];
  server = spawn(launch.program, args, { cwd: launch.folder, env, stdio: 'ignore' });
  const root = loadConfig(settings({ SETTLED_CASSANDRA_USERNAME: 'cassandra' }, 'cassandra'));
  for (let attempt = 0; ; attempt += 1) {
    try {
      const client = await connect(ledgerOptions(root), 'cluster');
      await client.execute(
        `CREATE ROLE settled WITH PASSWORD = '${PASSWORD}' AND LOGIN = true AND SUPERUSER = true`,
        [],
        { prepare: false },
      );
      await client.shutdown();
      return;
    } catch (error) {
      if (attempt >= 90 || server.exitCode !== null)
        throw new Error(`no Cassandra with TLS: ${String(error)}\n${kind.output()}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}

function settings(more: NodeJS.ProcessEnv = {}, password = PASSWORD): NodeJS.ProcessEnv {
  const passwordPath = join(folder, `password-${password}`);
  writeFileSync(passwordPath, `${password}\n`, { mode: 0o600 });
  return {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    SETTLED_HOME: join(folder, 'nowhere'),
    SETTLED_CASSANDRA_CONTACT_POINTS: '127.0.0.1',
    SETTLED_CASSANDRA_PORT: `${port}`,
    SETTLED_CASSANDRA_USERNAME: 'settled',
    SETTLED_CASSANDRA_PASSWORD_PATH: passwordPath,
    SETTLED_CASSANDRA_TLS_CA_PATH: certificates.ca,
    SETTLED_CASSANDRA_TLS_CERT_PATH: certificates.client.cert,
    SETTLED_CASSANDRA_TLS_KEY_PATH: certificates.client.key,
    ...more,
  };
}

const settled = (env: NodeJS.ProcessEnv, ...args: string[]) =>
  execa(process.execPath, [PROGRAM, ...args], { env, extendEnv: false, reject: false, timeout: 100_000 });

describe('a Cassandra behind TLS, certificate and password', () => {
  test('is migrated and asked, and no secret is printed on any level of logging', async () => {
    const env = settings({ SETTLED_LOG_LEVEL: 'trace' });
    const migrated = await settled(env, 'migrate');
    expect(migrated.exitCode, migrated.stderr).toBe(0);
    const status = await settled(env, 'status', '--json');
    expect(JSON.parse(status.stdout)).toMatchObject({ streams: [] });
    const config = loadConfig(env);
    const client = await openDatabase(config);
    await client.shutdown();
    for (const text of [
      migrated.stdout,
      migrated.stderr,
      status.stdout,
      status.stderr,
      JSON.stringify(config),
    ])
      expect(text).not.toContain(PASSWORD);
  }, 200_000);

  test.each([
    [
      'another authority',
      () => settings({ SETTLED_CASSANDRA_TLS_CA_PATH: certificates.otherCa }),
      /self-signed|verify|issuer/,
    ],
    ['no TLS', () => withoutTls(), /does not answer/],
    [
      'a wrong password',
      () => settings({}, 'planted-wrong-77'),
      /[Pp]rovided username .*incorrect|bad credentials/,
    ],
    [
      'no client certificate',
      () => settings({ SETTLED_CASSANDRA_TLS_CERT_PATH: '', SETTLED_CASSANDRA_TLS_KEY_PATH: '' }),
      /does not answer/,
    ],
  ])(
    'is not reached with %s, in plain words',
    async (_what, env, words) => {
      const { exitCode, stderr, stdout } = await settled(env(), 'verify');
      expect(exitCode).not.toBe(0);
      expect(stderr).toMatch(words);
      expect(stdout + stderr).not.toMatch(/planted|\n\s+at /);
    },
    100_000,
  );
});

function withoutTls(): NodeJS.ProcessEnv {
  return { ...settings(), SETTLED_CASSANDRA_TLS: 'false' };
}
