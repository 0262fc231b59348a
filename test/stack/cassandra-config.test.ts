/** Our cassandra.yaml with its names filled in: alone, in a ring, and with either way of committing its log. */
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { cassandraConfig } from '../../src/stack/cassandra-server.ts';

const PORTS = { cql: 9042, storage: 7000 };
const read = (text: string): Record<string, unknown> => parse(text) as Record<string, unknown>;

test('a node alone listens on loopback and is its own seed', () => {
  const text = cassandraConfig("/home/o'hara/cassandra", PORTS, 'periodic');
  expect(text).not.toMatch(/__[a-zA-Z]+__/);
  const config = read(text);
  expect(config).toMatchObject({
    listen_address: '127.0.0.1',
    rpc_address: '127.0.0.1',
    commitlog_sync: 'periodic',
    commitlog_sync_period: '10s',
    data_file_directories: ["/home/o'hara/cassandra/data"],
  });
  expect(JSON.stringify(config['seed_provider'])).toContain('"127.0.0.1:7000"');
});

test('a node of a ring has an address of its own and asks the seeds', () => {
  const place = { address: '127.0.1.2', seeds: ['127.0.1.1', '127.0.1.3'], ringDelayMs: 2_000 };
  const config = read(cassandraConfig('/data', PORTS, 'batch', place));
  expect(config).toMatchObject({ listen_address: '127.0.1.2', rpc_address: '127.0.1.2' });
  expect(JSON.stringify(config['seed_provider'])).toContain('"127.0.1.1:7000,127.0.1.3:7000"');
});

test('with batch no period is named, which Cassandra would refuse', () => {
  const config = read(cassandraConfig('/data', PORTS, 'batch'));
  expect(config['commitlog_sync']).toBe('batch');
  expect(config).not.toHaveProperty('commitlog_sync_period');
});
