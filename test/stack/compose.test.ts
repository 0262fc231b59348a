/**
 * docker-compose.yml can't be run here, so it is held against what it must agree with: the configuration's schema, the
 * stack's tuning, the pinned versions, and Cassandra's configuration.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, unknownVariables } from '../../src/config/index.ts';
import { cassandraConfig } from '../../src/stack/cassandra-server.ts';
import { TEMPORAL_DYNAMIC_CONFIG, TEMPORAL_SQLITE_PRAGMAS } from '../../src/stack/index.ts';
import { cassandraVersionPinned, temporalVersionPinned } from '../../src/stack/pinned.ts';

interface Service {
  readonly image?: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const compose = parse(readFileSync(root('docker-compose.yml'), 'utf8'), { merge: true }) as {
  readonly services: Readonly<Record<'cassandra' | 'temporal' | 'migrate' | 'worker' | 'ingest', Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const cassandraYaml = parse(
  readFileSync(root('stack/cassandra/cassandra.yaml'), 'utf8').replaceAll(/__\w+?__/g, '1'),
) as Readonly<Record<string, unknown>>;
const { cassandra, temporal, ...processes } = compose.services;

/** Values of a flag that is given more than once, as key to value. */
const given = (flag: string): Record<string, string> =>
  Object.fromEntries(
    temporal.command
      .filter((argument) => argument.startsWith(`${flag}=`))
      .map((argument) => {
        const [, key = '', value = ''] = /^[^=]+=([^=]+)=(.*)$/.exec(argument) ?? [];
        return [key, value];
      }),
  );

describe('the compose file', () => {
  test.each(Object.entries(processes))(
    'gives %s settings that the schema knows, with values that it takes',
    (_name, service) => {
      const environment = service.environment ?? {};
      const ours = Object.keys(environment).filter((variable) => variable.startsWith('SETTLED_'));
      expect(ours.length).toBeGreaterThan(0);
      expect(unknownVariables(environment)).toEqual([]);
      const config = loadConfig({ ...environment, SETTLED_HOME: '/nowhere' });
      expect(config.temporal.addressSource).toBe('configured');
      expect(config.cassandra.addressSource).toBe('configured');
    },
  );

  test('gives all processes the same stream, partitions and addresses', () => {
    const shared = Object.values(processes).map(({ environment = {} }) =>
      Object.entries(environment).filter(([variable]) => !variable.startsWith('SETTLED_INGEST_')),
    );
    expect(shared[1]).toEqual(shared[0]);
    expect(shared[2]).toEqual(shared[0]);
  });

  test('tunes Temporal as the stack does', () => {
    expect(given('--dynamic-config-value')).toEqual(TEMPORAL_DYNAMIC_CONFIG);
    expect(given('--sqlite-pragma')).toEqual(TEMPORAL_SQLITE_PRAGMAS);
    expect(temporal.command.slice(0, 2)).toEqual(['server', 'start-dev']);
  });

  test('runs the versions that are pinned', () => {
    expect(temporal.image).toBe(`temporalio/temporal:${temporalVersionPinned()}`);
    expect(cassandra.image).toBe(`cassandra:${cassandraVersionPinned()}`);
  });

  test.each([
    'batch_size_warn_threshold',
    'unlogged_batch_across_partitions_warn_threshold',
    'memtable_allocation_type',
    'memtable_offheap_space',
    'concurrent_compactors',
  ])("sets Cassandra's %s as the stack does, and only so", (setting) => {
    const command = cassandra.command.join(' ');
    expect(command).toContain(`'${setting}: ${String(cassandraYaml[setting])}'`);
    expect(/sed -i -E '\/\^\(([^)]+)\)/.exec(command)?.[1]?.split('|')).toContain(setting);
  });

  test('publishes on loopback only, where the stack would be', () => {
    const published = [...(cassandra.ports ?? []), ...(temporal.ports ?? [])];
    expect(published.every((port) => port.startsWith('127.0.0.1:'))).toBe(true);
    const { stack } = loadConfig({ SETTLED_HOME: '/nowhere' });
    for (const port of [stack.temporalPort, stack.temporalUiPort, stack.cassandraPort])
      expect(published).toContain(`127.0.0.1:${port}:${port}`);
  });

  test('keeps the data of both servers in volumes, and waits for their health', () => {
    for (const server of [cassandra, temporal]) {
      expect(server.healthcheck?.test.length).toBeGreaterThan(1);
      expect(Object.keys(compose.volumes)).toContain(server.volumes?.[0]?.split(':')[0]);
    }
    for (const { depends_on: waits = {} } of [processes.worker, processes.ingest]) {
      expect(waits['temporal']?.condition).toBe('service_healthy');
      expect(waits['migrate']?.condition).toBe('service_completed_successfully');
    }
  });
});

describe("Cassandra's configuration", () => {
  test('keeps the failure threshold above our largest batch, and the warning between them', () => {
    const kib = (value: unknown) => Number(/^(\d+)KiB$/.exec(String(value))?.[1]);
    const [warn, fail] = [
      kib(cassandraYaml['batch_size_warn_threshold']),
      kib(cassandraYaml['batch_size_fail_threshold']),
    ];
    const { groupBytesMax } = loadConfig({ SETTLED_HOME: '/nowhere' }).settlement;
    expect(groupBytesMax / 1024).toBeLessThan(warn);
    expect(warn).toBeLessThan(fail);
    expect(fail).toBe(50);
  });

  test('listens on loopback only', () => {
    const alone = cassandraConfig('/data', { cql: 9042, storage: 7000 }, 'periodic');
    const { listen_address: listen, rpc_address: rpc } = parse(alone) as Record<string, unknown>;
    expect([listen, rpc]).toEqual(['127.0.0.1', '127.0.0.1']);
  });
});

describe('the Dockerfile', () => {
  let copied: string[];
  beforeAll(() => {
    copied = [...readFileSync(root('Dockerfile'), 'utf8').matchAll(/^COPY (.+) \S+$/gm)].flatMap(
      (match) => match[1]?.split(' ') ?? [],
    );
  });

  test('copies what there is, and what .dockerignore lets through', () => {
    const allowed = readFileSync(root('.dockerignore'), 'utf8').split('\n');
    expect(copied.length).toBeGreaterThan(3);
    for (const path of copied) {
      expect(existsSync(root(path)), path).toBe(true);
      expect(allowed).toContain(`!${path}`);
    }
  });
});
