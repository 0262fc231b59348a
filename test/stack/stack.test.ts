/**
 * The real two servers, in a home of their own, on free ports: started, asked, stopped, killed, interrupted.
 */
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Connection } from '@temporalio/client';
import { Client } from 'cassandra-driver';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Config, loadConfig, readStackState, writeStackState } from '../../src/config/index.ts';
import {
  InterruptedError,
  PortTakenError,
  ServerFailedError,
  showLogs,
  stackOptions,
  stackStatus,
  startStack,
  stopStack,
} from '../../src/stack/index.ts';
import { isRunning, processStart } from '../../src/stack/process-identity.ts';
import { pickFreePort } from '../../src/stack/ports.ts';

/** The first run on a machine builds Temporal. */
const START_MS = 600_000;
const STARTER = fileURLToPath(new URL('./fixtures/attached-starter.ts', import.meta.url));

let home: string;
const config = (more: NodeJS.ProcessEnv = {}): Config =>
  loadConfig({
    ...process.env,
    SETTLED_TEMPORAL_ADDRESS: '',
    SETTLED_CASSANDRA_CONTACT_POINTS: '',
    SETTLED_HOME: home,
    SETTLED_STACK_PORTS: 'free',
    SETTLED_STACK_CASSANDRA_HEAP_MIB: '512',
    ...more,
  });
const options = (more: NodeJS.ProcessEnv = {}) => stackOptions(config(more));

/** Processes of the state that still run. */
const alive = () =>
  Object.values(readStackState(home)).filter((server) => typeof server === 'object' && isRunning(server));

async function askCassandra(port: number, query: string) {
  const client = new Client({
    contactPoints: ['127.0.0.1'],
    localDataCenter: 'datacenter1',
    protocolOptions: { port },
  });
  try {
    return (await client.execute(query)).rows;
  } finally {
    await client.shutdown();
  }
}

const newHome = () => {
  home = mkdtempSync(join(realpathSync(tmpdir()), 'settled-stack-test-'));
};
const endHome = async () => {
  await stopStack(home);
  rmSync(home, { recursive: true, force: true });
};

describe('a stack', { timeout: START_MS }, () => {
  beforeEach(newHome);
  afterEach(endHome);

  test('starts, answers, keeps its data over a stop, and leaves nothing when wiped', async () => {
    const stack = await startStack(options({ SETTLED_STACK_RETENTION_DAYS: '3' }));
    expect(stack.started).toEqual({ temporal: true, cassandra: true });

    const connection = await Connection.connect({ address: stack.temporalAddress });
    const namespace = await connection.workflowService.describeNamespace({ namespace: 'default' });
    expect(Number(namespace.config?.workflowExecutionRetentionTtl?.seconds)).toBe(3 * 24 * 60 * 60);
    await connection.close();
    expect((await fetch(stack.temporalUiUrl ?? '')).status).toBe(200);
    const keyspace = `CREATE KEYSPACE kept WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`;
    await askCassandra(stack.cassandraPort, keyspace);
    await askCassandra(stack.cassandraPort, 'CREATE TABLE kept.it (id int PRIMARY KEY, word text)');
    await askCassandra(stack.cassandraPort, "INSERT INTO kept.it (id, word) VALUES (1, 'still here')");

    const status = await stackStatus(home);
    expect(status.servers.map((server) => server.condition)).toEqual(['answering', 'answering']);
    expect(status.servers.every((server) => (server.residentBytes ?? 0) > 50_000_000)).toBe(true);
    expect(config().temporal).toMatchObject({ address: stack.temporalAddress, addressSource: 'stack' });

    const before = readStackState(home);
    const again = await startStack(options());
    expect(again.started).toEqual({ temporal: false, cassandra: false });
    expect(readStackState(home).cassandra?.pid).toBe(before.cassandra?.pid);

    expect((await stopStack(home)).servers).toEqual({ temporal: 'stopped', cassandra: 'stopped' });
    expect([before.temporal, before.cassandra].map((server) => server && isRunning(server))).toEqual([
      false,
      false,
    ]);
    expect((await stackStatus(home)).servers.map((server) => server.condition)).toEqual(['down', 'down']);

    const second = await startStack(options());
    expect(await askCassandra(second.cassandraPort, 'SELECT word FROM kept.it')).toMatchObject([
      { word: 'still here' },
    ]);
    await second.stop({ wipe: true });
    expect(existsSync(home)).toBe(false);
  });

  test('two stacks in two homes do not meet', async () => {
    const stack = await startStack(options());
    const otherHome = `${home}-other`;
    const other = await startStack(options({ SETTLED_HOME: otherHome }));
    const ports = [stack, other].flatMap((each) => [
      each.temporalAddress,
      each.temporalUiUrl,
      each.cassandraPort,
    ]);
    expect(new Set(ports).size).toBe(6);
    await other.stop({ wipe: true });
    expect((await stackStatus(home)).servers.map((server) => server.condition)).toEqual([
      'answering',
      'answering',
    ]);
  });

  test('a start that is interrupted says so and leaves nothing running', async () => {
    const abort = new AbortController();
    const starting = startStack({ ...options(), signal: abort.signal });
    await vi.waitFor(() => expect(readStackState(home).cassandra).toBeDefined(), { timeout: START_MS });
    const begun = readStackState(home);
    abort.abort();
    await expect(starting).rejects.toThrow(InterruptedError);
    expect([begun.temporal, begun.cassandra].filter((server) => server && isRunning(server))).toEqual([]);
    expect(readStackState(home)).toEqual({ format: 1 });
  });

  test('a port that is taken is named with its owner and its setting, and nothing is left running', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await vi.waitFor(() => expect(taken.listening).toBe(true), { timeout: 20_000 });
    const { port } = taken.address() as { port: number };
    const env = {
      SETTLED_STACK_PORTS: 'fixed',
      SETTLED_STACK_TEMPORAL_PORT: String(await pickFreePort()),
      SETTLED_STACK_TEMPORAL_UI_PORT: String(await pickFreePort()),
      SETTLED_STACK_CASSANDRA_PORT: String(port),
      SETTLED_STACK_CASSANDRA_STORAGE_PORT: String(await pickFreePort()),
    };
    const starting = startStack(options(env));
    await expect(starting).rejects.toThrow(PortTakenError);
    await expect(starting).rejects.toThrow(new RegExp(`Port ${port}.*CQL.*SETTLED_STACK_CASSANDRA_PORT`));
    await expect(starting).rejects.toThrow(new RegExp(`process ${process.pid}`));
    expect(alive()).toEqual([]);
    taken.close();
  });

  test('a server that ends while starting is reported with its last words, and the other one is stopped', async () => {
    const settings = { ...config().stack, cassandraHeapMiB: 1 };
    const starting = startStack({ ...options(), settings });
    await expect(starting).rejects.toThrow(ServerFailedError);
    await expect(starting).rejects.toThrow(/Cassandra ended while it was starting.*\| /s);
    expect(readStackState(home)).toEqual({ format: 1 });
  });

  test('a stop never signals a process that only has the old pid', async () => {
    const bystander = execa('sleep', ['600'], { reject: false });
    const pid = bystander.pid ?? 0;
    writeStackState(home, {
      format: 1,
      temporal: {
        pid,
        processStart: 'long before',
        phase: 'ready',
        startedAtMs: 0,
        version: '1',
        ports: { frontend: 1, ui: 2 },
      },
    });
    expect((await stopStack(home, { wipe: true })).servers).toEqual({ temporal: 'was-not-running' });
    expect(processStart(pid)).toBeDefined();
    bystander.kill();
    await bystander;
  });

  test('an attached stack ends, with its home, when its starter is killed', async () => {
    const starter = execa(process.execPath, ['--import', 'tsx', STARTER], {
      env: { SETTLED_STACK_CASSANDRA_HEAP_MIB: '512' },
      reject: false,
    });
    let said = '';
    starter.stdout.on('data', (data) => (said += String(data)));
    await vi.waitFor(() => expect(said).toContain('\n'), { timeout: START_MS });
    const itsHome = said.trim();
    const { temporal, cassandra } = JSON.parse(
      readFileSync(join(itsHome, 'state.json'), 'utf8'),
    ) as ReturnType<typeof readStackState>;
    if (!temporal || !cassandra) throw new Error('the starter started nothing');
    expect([isRunning(temporal), isRunning(cassandra)]).toEqual([true, true]);
    starter.kill('SIGKILL');
    await starter;
    await vi.waitFor(() => expect([isRunning(temporal), isRunning(cassandra)]).toEqual([false, false]), {
      timeout: 60_000,
    });
    await vi.waitFor(() => expect(existsSync(itsHome)).toBe(false), { timeout: 10_000 });
  });
});

/** One stack, on which these follow one another. */
describe('a stack over time', { timeout: START_MS }, () => {
  beforeAll(newHome);
  afterAll(endHome);

  test('two starts at once in one home make one stack', async () => {
    const notes: string[] = [];
    const progress = {
      step: () => ({ update: () => {}, done: () => {}, fail: () => {} }),
      note: (text: string) => void notes.push(text),
    };
    const both = await Promise.all([
      startStack({ ...options(), progress }),
      startStack({ ...options(), progress }),
    ]);
    expect(both.map((stack) => stack.started.cassandra)).toEqual(expect.arrayContaining([false, true]));
    expect(both[0]?.cassandraPort).toBe(both[1]?.cassandraPort);
    expect(notes.join()).toContain('waiting for it');
  });

  test('restarts only the server that died, on its ports, and shows its log', async () => {
    const before = readStackState(home);
    process.kill(before.temporal?.pid ?? 0, 'SIGKILL');
    await vi.waitFor(async () => expect((await stackStatus(home)).servers[0]?.condition).toBe('died'), {
      timeout: 20_000,
    });
    const again = await startStack(options());
    expect(again.started).toEqual({ temporal: true, cassandra: false });
    expect(again.temporalAddress).toBe(`127.0.0.1:${before.temporal?.ports.frontend}`);
    expect(readStackState(home).cassandra?.pid).toBe(before.cassandra?.pid);
    const written: string[] = [];
    await showLogs(home, { servers: ['cassandra'], lines: 500, write: (text) => void written.push(text) });
    expect(written.join('')).toContain('Starting listening for CQL clients');
  });

  test('a start that waited for a wipe starts afresh', async () => {
    const wiping = stopStack(home, { wipe: true });
    const stack = await startStack(options());
    await wiping;
    expect(stack.started).toEqual({ temporal: true, cassandra: true });
    expect((await stackStatus(home)).servers.map((server) => server.condition)).toEqual([
      'answering',
      'answering',
    ]);
  });
});
