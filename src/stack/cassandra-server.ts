/**
 * One Cassandra node on loopback, with our configuration and a bounded heap. JMX is off. On SIGTERM it drains: what
 * was acknowledged is on disk when it ends.
 */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { STACK_HOST, type Config } from '../config/index.ts';
import { homePaths, rotateConsoleLog } from './home.ts';
import { CASSANDRA_MODULE, cassandraVersionPinned } from './pinned.ts';
import { cassandraVersion } from './probes.ts';
import { MarkedLog } from './log-tail.ts';
import type { ServerKind } from './server-start.ts';
import type { Environment } from './tools.ts';

const START_MS_MAX = 180_000;
/** Draining takes a second or two with small memtables, more with full ones on a slow disk. */
const GRACE_MS = 30_000;

/** The value in cassandra.yaml, with the period in the next line: with `batch` Cassandra refuses to know one. */
const COMMITLOG_SYNC = {
  periodic: 'periodic\ncommitlog_sync_period: 10s',
  batch: 'batch',
} as const;

/** Packages of the JDK's modules that Cassandra reaches into. */
const OPENED: Readonly<Record<string, readonly string[]>> = {
  'java.base': (
    'jdk.internal.misc jdk.internal.ref jdk.internal.loader jdk.internal.reflect jdk.internal.math ' +
    'jdk.internal.module jdk.internal.util.jar sun.nio.ch java.lang java.lang.module java.lang.reflect java.io ' +
    'java.nio java.util java.util.concurrent java.util.concurrent.atomic java.math java.net'
  ).split(' '),
  'java.management.rmi': ['com.sun.jmx.remote.internal.rmi'],
  'java.rmi': ['sun.rmi.registry', 'sun.rmi.server'],
  'java.sql': ['java.sql'],
  'jdk.management': ['com.sun.management.internal'],
};

const openedArgs = (): string[] =>
  Object.entries(OPENED).flatMap(([module, packages]) =>
    packages.flatMap((name) => [
      `--add-exports=${module}/${name}=ALL-UNNAMED`,
      `--add-opens=${module}/${name}=ALL-UNNAMED`,
    ]),
  );

/** What it runs with. */
export interface CassandraTools {
  /** The `java` program. */
  readonly java: string;
  /** The folder of the jars. */
  readonly jars: string;
}

/** A node's place in a ring of several on loopback. */
export interface RingPlace {
  /** Its own address; the ports are the same on all. */
  readonly address: string;
  /** Addresses of nodes that are asked for the ring. */
  readonly seeds: readonly string[];
  /** How long a node waits for the others' word before it joins, ms. */
  readonly ringDelayMs: number;
}

/** A node alone has nobody to wait for, neither when it comes nor when it goes. */
const ALONE: RingPlace = { address: STACK_HOST, seeds: [STACK_HOST], ringDelayMs: 0 };

/** What it is started with. */
export interface CassandraServerOptions {
  readonly home: string;
  /** @default alone on the stack's address */
  readonly place?: RingPlace;
  /** Finds Java and finds or fetches Cassandra's jars. */
  readonly tools: () => Promise<CassandraTools>;
  readonly settings: Config['stack'];
  readonly env: Environment;
}

function javaArgs(jars: string, { home, settings, place = ALONE }: CassandraServerOptions): string[] {
  const paths = homePaths(home);
  const agent = readdirSync(jars).find((name) => name.startsWith('jamm-'));
  return [
    openedArgs(),
    agent === undefined ? [] : [`-javaagent:${join(jars, agent)}`],
    [
      `-Xms${settings.cassandraHeapMiB}m`,
      `-Xmn${Math.floor(settings.cassandraHeapMiB / 2)}m`,
      `-Xmx${settings.cassandraHeapMiB}m`,
      '-Xss384k',
    ],
    // The collector with the least work in all: the node shares few cores, and a pause of 50 ms is no harm here.
    ['-XX:+UseParallelGC', '-XX:+ExitOnOutOfMemoryError', '-XX:+PerfDisableSharedMem'],
    [
      '-Djava.awt.headless=true',
      '-Djdk.attach.allowAttachSelf=true',
      '-Dio.netty.tryReflectionSetAccessible=true',
    ],
    [
      `-Dcassandra.config=${pathToFileURL(paths.cassandraConfig).href}`,
      `-Dcassandra.storagedir=${paths.cassandra}`,
    ],
    [`-Dlogback.configurationFile=${pathToFileURL(paths.cassandraLogback).href}`],
    [`-Dsettled.logFile=${paths.log.cassandra}`],
    ['-Dcassandra.skip_wait_for_gossip_to_settle=0', `-Dcassandra.ring_delay_ms=${place.ringDelayMs}`],
    ['-Dcassandra.shutdown_announce_in_ms=0', '-Dcassandra-foreground=yes'],
    ['-cp', join(jars, '*'), 'org.apache.cassandra.service.CassandraDaemon'],
  ].flat();
}

/** How Cassandra is started. */
export function cassandraServer(options: CassandraServerOptions): ServerKind<'cassandra'> {
  const { home, tools, settings, env, place = ALONE } = options;
  const paths = homePaths(home);
  const [logged, printed] = [new MarkedLog(paths.log.cassandra), new MarkedLog(paths.console.cassandra)];
  const port = (what: string, value: number, variable: string) => ({ what, port: value, variable });
  return {
    name: 'cassandra',
    title: 'Cassandra',
    ports: {
      cql: port('Cassandra (CQL)', settings.cassandraPort, 'SETTLED_STACK_CASSANDRA_PORT'),
      storage: port(
        'Cassandra (between nodes)',
        settings.cassandraStoragePort,
        'SETTLED_STACK_CASSANDRA_STORAGE_PORT',
      ),
    },
    startMsMax: START_MS_MAX,
    graceMs: GRACE_MS,
    prepare: async (ports) => {
      const { java, jars } = await tools();
      rotateConsoleLog(paths.console.cassandra);
      logged.mark();
      printed.mark();
      writeFileSync(
        paths.cassandraConfig,
        cassandraConfig(paths.cassandra, ports, settings.cassandraCommitlogSync, place),
      );
      copyFileSync(CASSANDRA_MODULE.logback, paths.cassandraLogback);
      return {
        program: java,
        version: cassandraVersionPinned(),
        args: javaArgs(jars, options),
        folder: paths.cassandra,
        env,
        consolePath: paths.console.cassandra,
      };
    },
    probe: async (ports) => (await cassandraVersion(ports.cql, place.address)) !== undefined,
    output: () => logged.sinceMark() || printed.sinceMark(),
  };
}

/** Our cassandra.yaml with its names between underscores filled in. */
export function cassandraConfig(
  dataDirectory: string,
  ports: { cql: number; storage: number },
  commitlogSync: Config['stack']['cassandraCommitlogSync'],
  place: RingPlace = ALONE,
): string {
  const values: Readonly<Record<string, string>> = {
    // Inside single quotes in YAML, a quote is written twice.
    dataDirectory: dataDirectory.replaceAll("'", "''"),
    cqlPort: String(ports.cql),
    storagePort: String(ports.storage),
    commitlogSync: COMMITLOG_SYNC[commitlogSync],
    address: place.address,
    seeds: place.seeds.map((seed) => `${seed}:${ports.storage}`).join(','),
  };
  return readFileSync(CASSANDRA_MODULE.config, 'utf8').replace(
    /__([a-zA-Z]+)__/g,
    (whole, name: string) => values[name] ?? whole,
  );
}
