import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Config,
  ConfigError,
  describeConfig,
  loadConfig,
  replicationCql,
  settings,
  unknownVariables,
  writeStackState,
} from '../../src/config/index.ts';

let folder: string;
let clean: NodeJS.ProcessEnv;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'settled-config-'));
  clean = { SETTLED_HOME: join(folder, 'nowhere') };
});
afterAll(() => rmSync(folder, { recursive: true }));

function faultsOf(env: NodeJS.ProcessEnv): ConfigError {
  try {
    loadConfig({ ...clean, ...env });
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('no fault was found');
}

describe('defaults', () => {
  test('an empty environment gives a complete configuration for one machine', () => {
    const config = loadConfig(clean);
    expect(config.temporal).toMatchObject({
      address: '127.0.0.1:7233',
      namespace: 'default',
      taskQueue: 'settled',
    });
    expect(config.cassandra).toMatchObject({
      contactPoints: ['127.0.0.1'],
      port: 9042,
      datacenter: 'datacenter1',
      keyspace: 'settlement',
      consistency: 'LOCAL_QUORUM',
      addressSource: 'default',
    });
    expect(config.stream).toMatchObject({ name: 'main', partitions: 8, instruments: [] });
    expect(config.settlement.groupBytesMax).toBe(46 * 1024);
  });

  test('every stated default is a value that its setting takes', () => {
    const stated = Object.fromEntries(settings.map(({ variable, defaultText }) => [variable, defaultText]));
    expect(loadConfig({ ...stated, ...clean })).toEqual(loadConfig(clean));
  });

  test('an empty variable counts as absent', () => {
    expect(loadConfig({ ...clean, SETTLED_STREAM: '' }).stream.name).toBe('main');
  });

  test('the cache follows XDG_CACHE_HOME', () => {
    expect(loadConfig({ ...clean, XDG_CACHE_HOME: '/somewhere' }).stack.cacheDir).toBe('/somewhere/settled');
  });
});

describe('the value', () => {
  test('is frozen through and through', () => {
    const config = loadConfig(clean);
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.cassandra.contactPoints)).toBe(true);
    expect(Object.isFrozen(config.cassandra.replication)).toBe(true);
  });

  test('flags win over the environment', () => {
    const config = loadConfig(
      { ...clean, SETTLED_STREAM: 'from-env' },
      { stream: { name: 'from-flag', partitions: '4' } },
    );
    expect(config.stream).toMatchObject({ name: 'from-flag', partitions: 4 });
  });

  test('byte counts may be written with a suffix', () => {
    expect(loadConfig({ ...clean, SETTLED_INGEST_CHUNK_BYTES_MAX: '100KiB' }).ingest.chunkBytesMax).toBe(
      102_400,
    );
  });

  test('instruments are exact', () => {
    const config = loadConfig({
      ...clean,
      SETTLED_INSTRUMENTS: '[{"baseAsset": 1001, "quoteAsset": 1, "divisor": "9223372036854775807"}]',
    });
    expect(config.stream.instruments).toEqual([{ baseAsset: 1001, quoteAsset: 1, divisor: 2n ** 63n - 1n }]);
  });

  test.each([
    [
      'a divisor that JSON has already rounded',
      '[{"baseAsset":1,"quoteAsset":2,"divisor":9007199254740993}]',
    ],
    ['a divisor of zero', '[{"baseAsset":1,"quoteAsset":2,"divisor":"0"}]'],
    [
      'a pair twice',
      '[{"baseAsset":1,"quoteAsset":2,"divisor":1},{"baseAsset":1,"quoteAsset":2,"divisor":2}]',
    ],
    ['an unknown field', '[{"baseAsset":1,"quoteAsset":2,"divisor":1,"scale":8}]'],
  ])('instruments refuse %s', (_what, text) => {
    expect(faultsOf({ SETTLED_INSTRUMENTS: text }).faults[0]?.variable).toBe('SETTLED_INSTRUMENTS');
  });
});

describe('faults', () => {
  test('all of them are listed at once, with variable, value and what is allowed', () => {
    const error = faultsOf({
      SETTLED_STREAM: 'Main!',
      SETTLED_PARTITIONS: '0',
      SETTLED_CASSANDRA_CONSISTENCY: 'ONE',
      SETTLED_TEMPORAL_ADDRESS: 'localhost',
    });
    expect(error.faults.map((fault) => fault.variable).toSorted()).toEqual([
      'SETTLED_CASSANDRA_CONSISTENCY',
      'SETTLED_PARTITIONS',
      'SETTLED_STREAM',
      'SETTLED_TEMPORAL_ADDRESS',
    ]);
    expect(error.message).toContain('SETTLED_PARTITIONS="0" must be a whole number from 1 to 1024');
    expect(error.message).toContain(
      'SETTLED_CASSANDRA_CONSISTENCY="ONE" must be LOCAL_QUORUM, QUORUM or EACH_QUORUM',
    );
  });

  test('no text whatever gets past a whole number but one in its range', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String)), (value) => {
        const valid = /^\s*\d+\s*$/.test(value) && Number(value) >= 1 && Number(value) <= 1024;
        if (value === '') return;
        if (valid)
          expect(loadConfig({ ...clean, SETTLED_PARTITIONS: value }).stream.partitions).toBe(Number(value));
        else expect(() => loadConfig({ ...clean, SETTLED_PARTITIONS: value })).toThrow(ConfigError);
      }),
    );
  });

  test('a file that is not there is a fault among the others', () => {
    const error = faultsOf({ SETTLED_CASSANDRA_TLS_CA_PATH: '/does/not/exist.pem', SETTLED_PARTITIONS: 'x' });
    expect(error.faults).toHaveLength(2);
    expect(error.message).toContain('/does/not/exist.pem');
  });

  test('settings that contradict each other are faults', () => {
    const message = (env: NodeJS.ProcessEnv) => faultsOf(env).message;
    expect(message({ SETTLED_CASSANDRA_USERNAME: 'me' })).toContain('SETTLED_CASSANDRA_PASSWORD_PATH');
    expect(message({ SETTLED_INGEST_MAX_IN_FLIGHT_EVENTS: '10' })).toContain(
      'SETTLED_INGEST_CHUNK_EVENTS_MAX',
    );
    expect(message({ SETTLED_STACK_CASSANDRA_PORT: '7233' })).toContain('four different ports');
    expect(
      message({ SETTLED_CASSANDRA_REPLICATION: "{'class':'NetworkTopologyStrategy','elsewhere':3}" }),
    ).toContain('datacenter1');
  });

  test('a misspelt variable is noticed, with the one that was meant', () => {
    expect(
      unknownVariables({ SETTLED_PARTITION: '4', SETTLED_WHO_KNOWS_WHAT_THIS_IS: '1', PATH: '' }),
    ).toEqual([
      { variable: 'SETTLED_PARTITION', meant: 'SETTLED_PARTITIONS' },
      { variable: 'SETTLED_WHO_KNOWS_WHAT_THIS_IS' },
    ]);
  });
});

describe('secrets', () => {
  test('a password shows in no printed form, and not in a fault', () => {
    const path = join(folder, 'password');
    writeFileSync(path, 'hunter2\n');
    chmodSync(path, 0o600);
    for (const variable of ['SETTLED_CASSANDRA_PASSWORD', 'SETTLED_CASSANDRA_PASSWORD_PATH']) {
      const value = variable.endsWith('PATH') ? path : 'hunter2';
      const config = loadConfig({ ...clean, SETTLED_CASSANDRA_USERNAME: 'me', [variable]: value });
      expect(config.cassandra.password?.reveal()).toBe('hunter2');
      const printed = [
        inspect(config, { depth: 9, showHidden: true }),
        JSON.stringify(config.cassandra),
        String(config.cassandra.password),
        JSON.stringify(describeConfig(config)),
      ].join();
      expect(printed).not.toContain('hunter2');
      expect(printed).toContain('[redacted]');
    }
    expect(
      faultsOf({ SETTLED_CASSANDRA_PASSWORD: 'hunter2', SETTLED_PARTITIONS: '0' }).message,
    ).not.toContain('hunter2');
  });
});

describe('replication', () => {
  test('CQL text and JSON are read, and written out by us', () => {
    const cql = (text: string) =>
      replicationCql(loadConfig({ ...clean, SETTLED_CASSANDRA_REPLICATION: text }).cassandra.replication);
    expect(cql("{'class': 'SimpleStrategy', 'replication_factor': 1}")).toBe(
      "{'class': 'SimpleStrategy', 'replication_factor': 1}",
    );
    expect(cql('{"class": "NetworkTopologyStrategy", "datacenter1": "3", "west": 3}')).toBe(
      "{'class': 'NetworkTopologyStrategy', 'datacenter1': 3, 'west': 3}",
    );
    expect(replicationCql(loadConfig(clean).cassandra.replication)).toBe(
      "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}",
    );
  });

  test.each([
    `{"class": "EverywhereStrategy"}`,
    `{"class": "SimpleStrategy"}`,
    `{"class": "SimpleStrategy", "replication_factor": 0}`,
    `{"class": "NetworkTopologyStrategy"}`,
    `{"class": "NetworkTopologyStrategy", "x'; DROP KEYSPACE y; --": 1}`,
    `3`,
  ])('%s is refused', (text) => {
    expect(faultsOf({ SETTLED_CASSANDRA_REPLICATION: text }).faults[0]?.variable).toBe(
      'SETTLED_CASSANDRA_REPLICATION',
    );
  });
});

describe('addresses', () => {
  const state = (home: string) =>
    writeStackState(home, {
      format: 1,
      temporal: { ...started, ports: { frontend: 20_001, ui: 20_002 } },
      cassandra: { ...started, ports: { cql: 20_003, storage: 20_004 } },
    });
  const started = { pid: 1, processStart: 'x', phase: 'ready' as const, startedAtMs: 0, version: '1' };
  const sources = ({ temporal, cassandra }: Config) => [temporal.addressSource, cassandra.addressSource];

  test('come from the stack of the home when it is up', () => {
    state(folder);
    const config = loadConfig({ SETTLED_HOME: folder });
    expect(config.temporal).toMatchObject({ address: '127.0.0.1:20001', uiUrl: 'http://127.0.0.1:20002' });
    expect(config.cassandra).toMatchObject({ contactPoints: ['127.0.0.1'], port: 20_003 });
    expect(sources(config)).toEqual(['stack', 'stack']);
  });

  test('that are configured win over the stack', () => {
    state(folder);
    const config = loadConfig({
      SETTLED_HOME: folder,
      SETTLED_TEMPORAL_ADDRESS: 'temporal.example:7233',
      SETTLED_CASSANDRA_CONTACT_POINTS: 'one.example, two.example',
    });
    expect(config.temporal).toMatchObject({ address: 'temporal.example:7233', uiUrl: undefined });
    expect(config.cassandra).toMatchObject({ contactPoints: ['one.example', 'two.example'], port: 9042 });
    expect(sources(config)).toEqual(['configured', 'configured']);
  });
});

describe('the schema', () => {
  test('names each variable once, and says of each what it is and what it may be', () => {
    const variables = settings.map((entry) => entry.variable);
    expect(new Set(variables).size).toBe(variables.length);
    for (const { variable, description, allowed } of settings) {
      expect(variable).toMatch(/^SETTLED_[A-Z0-9_]+$/);
      expect(description.length, variable).toBeGreaterThan(10);
      expect(allowed.length, variable).toBeGreaterThan(3);
    }
  });
});
