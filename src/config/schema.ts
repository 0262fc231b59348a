/**
 * Every setting of `settled`, in one schema: the variable, what it means, what it may be, its default. This is the
 * only place that names a `SETTLED_*` variable of the configuration; documentation, compose file and messages are
 * held against it.
 */
import { z } from 'zod';
import { INSTRUMENTS_ALLOWED, parseInstruments } from './instruments.ts';
import { parseReplication, REPLICATION_ALLOWED } from './replication.ts';
import {
  byteCount,
  bytes,
  flag,
  integer,
  oneOf,
  optionalSetting,
  port,
  secret,
  setting,
  text,
  wholeNumber,
} from './setting.ts';

const KIB = 1024;

/** An optional path of a file that must be readable. */
const filePath = (variable: string, description: string) =>
  optionalSetting({ variable, description, file: true }, 'the path of a readable file', text());

/** An optional path that `settled` itself makes or looks for. */
const path = (variable: string, description: string) =>
  optionalSetting({ variable, description }, 'a path', text());

/** A whole number with a default. */
const count = (variable: string, description: string, min: number, max: number, fallback: number) =>
  setting({ variable, description }, wholeNumber(min, max), integer(min, max), fallback);

/** A number of bytes with a default. */
const size = (variable: string, description: string, min: number, max: number, fallback: number) =>
  setting({ variable, description }, byteCount(min, max), bytes(min, max), fallback, `${fallback / KIB} KiB`);

const stackPort = (variable: string, what: string, fallback: number) =>
  setting(
    { variable, description: `Port of ${what} that \`settled up\` starts, on 127.0.0.1.` },
    wholeNumber(1, 65535),
    port,
    fallback,
  );

const name = /^[A-Za-z0-9._-]{1,200}$/;
const hostAndPort = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/;
const httpUrl: Parameters<typeof setting<string>>[2] = (raw) =>
  typeof raw === 'string' && /^https?:\/\//.test(raw) && URL.canParse(raw) ? raw : undefined;

const hostList = (raw: unknown): readonly string[] | undefined => {
  const hosts = Array.isArray(raw)
    ? (raw as unknown[])
    : typeof raw === 'string'
      ? raw.split(',').map((host) => host.trim())
      : [];
  return hosts.length > 0 &&
    hosts.every((host) => typeof host === 'string' && /^[A-Za-z0-9._:-]+$/.test(host))
    ? (hosts as string[])
    : undefined;
};

const temporal = z.object({
  address: optionalSetting(
    {
      variable: 'SETTLED_TEMPORAL_ADDRESS',
      description:
        "Temporal's frontend. When it is set, `settled up` starts no Temporal; when not, the home's stack is used.",
    },
    'host:port',
    text(hostAndPort),
  ),
  namespace: setting(
    { variable: 'SETTLED_TEMPORAL_NAMESPACE', description: "Temporal's namespace." },
    'letters, digits, dots, dashes and underscores',
    text(name),
    'default',
  ),
  taskQueue: setting(
    { variable: 'SETTLED_TEMPORAL_TASK_QUEUE', description: 'The task queue of the workers.' },
    'letters, digits, dots, dashes and underscores',
    text(name),
    'settled',
  ),
  tls: z.object({
    enabled: optionalSetting(
      {
        variable: 'SETTLED_TEMPORAL_TLS',
        description:
          'Whether to talk TLS to Temporal. By default, if any of its files or an API key is given.',
      },
      'true or false',
      flag,
    ),
    caPath: filePath(
      'SETTLED_TEMPORAL_TLS_CA_PATH',
      "PEM file of the authority that signed Temporal's certificate.",
    ),
    certPath: filePath('SETTLED_TEMPORAL_TLS_CERT_PATH', 'PEM file of our client certificate for Temporal.'),
    keyPath: filePath(
      'SETTLED_TEMPORAL_TLS_KEY_PATH',
      "PEM file of the client certificate's key for Temporal.",
    ),
  }),
  apiKeyPath: filePath('SETTLED_TEMPORAL_API_KEY_PATH', "File with Temporal's API key."),
  uiUrl: optionalSetting(
    {
      variable: 'SETTLED_TEMPORAL_UI_URL',
      description: "Where a person finds Temporal's web UI; links are built from it.",
    },
    'a URL that starts with http:// or https://',
    httpUrl,
  ),
});

const cassandra = z.object({
  contactPoints: optionalSetting(
    {
      variable: 'SETTLED_CASSANDRA_CONTACT_POINTS',
      description:
        "Cassandra's nodes to ask first, separated by commas. When set, `settled up` starts no Cassandra; when " +
        "not, the home's stack is used.",
    },
    'host names or addresses separated by commas',
    hostList,
  ),
  port: optionalSetting(
    {
      variable: 'SETTLED_CASSANDRA_PORT',
      description: "Cassandra's CQL port; by default that of the home's stack, or 9042.",
    },
    wholeNumber(1, 65535),
    port,
  ),
  datacenter: setting(
    {
      variable: 'SETTLED_CASSANDRA_DATACENTER',
      description: 'The local datacenter, whose quorum is asked (I5a).',
    },
    'letters, digits, dots, dashes and underscores',
    text(name),
    'datacenter1',
  ),
  keyspace: setting(
    { variable: 'SETTLED_CASSANDRA_KEYSPACE', description: 'The keyspace of the tables.' },
    'a lower-case letter, then up to 47 lower-case letters, digits and underscores',
    text(/^[a-z][a-z0-9_]{0,47}$/),
    'settlement',
  ),
  username: optionalSetting(
    { variable: 'SETTLED_CASSANDRA_USERNAME', description: 'User name for Cassandra.' },
    'text on one line',
    text(),
  ),
  password: optionalSetting(
    {
      variable: 'SETTLED_CASSANDRA_PASSWORD',
      description: 'Password for Cassandra. A file (SETTLED_CASSANDRA_PASSWORD_PATH) is better.',
      secret: true,
    },
    'text',
    secret,
  ),
  passwordPath: filePath('SETTLED_CASSANDRA_PASSWORD_PATH', 'File with the password for Cassandra.'),
  tls: z.object({
    enabled: optionalSetting(
      {
        variable: 'SETTLED_CASSANDRA_TLS',
        description: 'Whether to talk TLS to Cassandra. By default, if any of its files is given.',
      },
      'true or false',
      flag,
    ),
    caPath: filePath(
      'SETTLED_CASSANDRA_TLS_CA_PATH',
      "PEM file of the authority that signed Cassandra's certificates.",
    ),
    certPath: filePath(
      'SETTLED_CASSANDRA_TLS_CERT_PATH',
      'PEM file of our client certificate for Cassandra.',
    ),
    keyPath: filePath(
      'SETTLED_CASSANDRA_TLS_KEY_PATH',
      "PEM file of the client certificate's key for Cassandra.",
    ),
    rejectUnauthorized: setting(
      {
        variable: 'SETTLED_CASSANDRA_TLS_REJECT_UNAUTHORIZED',
        description: "Whether a server certificate that can't be verified ends the connection.",
      },
      'true or false',
      flag,
      true,
    ),
  }),
  replication: optionalSetting(
    {
      variable: 'SETTLED_CASSANDRA_REPLICATION',
      description:
        'Replication of the keyspace when `settled migrate` creates it. By default one copy in the configured ' +
        'datacenter, which is for one machine only: use three.',
    },
    REPLICATION_ALLOWED,
    parseReplication,
  ),
  consistency: setting(
    {
      variable: 'SETTLED_CASSANDRA_CONSISTENCY',
      description:
        'Consistency of every read and write. With less than a quorum events get lost or doubled (I5a).',
    },
    'LOCAL_QUORUM, QUORUM or EACH_QUORUM',
    oneOf('LOCAL_QUORUM', 'QUORUM', 'EACH_QUORUM'),
    'LOCAL_QUORUM',
  ),
  requestTimeoutMs: count(
    'SETTLED_CASSANDRA_REQUEST_TIMEOUT_MS',
    "How long the driver waits for one answer; above the server's own timeouts, so that those are what is seen.",
    100,
    120_000,
    12_000,
  ),
});

const stream = z.object({
  name: setting(
    { variable: 'SETTLED_STREAM', description: 'The name of the stream.' },
    'up to 40 lower-case letters, digits and dashes',
    text(/^[a-z0-9-]{1,40}$/),
    'main',
  ),
  kind: setting(
    {
      variable: 'SETTLED_STREAM_KIND',
      description: 'Whether the engine numbers every message and can send again, or only numbers trades.',
    },
    'numbered or classic',
    oneOf('numbered', 'classic'),
    'numbered',
  ),
  partitions: count(
    'SETTLED_PARTITIONS',
    'Partitions over which users are spread. Recorded with the stream: it can never be changed afterwards (I10).',
    1,
    1024,
    16,
  ),
  instruments: setting(
    {
      variable: 'SETTLED_INSTRUMENTS',
      description: "Instruments whose price × quantity is divided to give the quote asset's smallest unit.",
    },
    INSTRUMENTS_ALLOWED,
    parseInstruments,
    [],
    '[]',
  ),
});

const zmqEndpoint = /^(tcp:\/\/[^\s]+:(\d{1,5}|\*)|ipc:\/\/[^\s]+)$/;

const ingest = z.object({
  endpoint: setting(
    { variable: 'SETTLED_INGEST_ENDPOINT', description: "The engine's PUSH socket, or ours where we bind." },
    'a ZeroMQ endpoint, tcp://host:port or ipc://path',
    text(zmqEndpoint),
    'tcp://127.0.0.1:5557',
  ),
  controlEndpoint: setting(
    {
      variable: 'SETTLED_INGEST_CONTROL_ENDPOINT',
      description: "The engine's ROUTER socket, for resume and settled; a classic stream has none.",
    },
    'a ZeroMQ endpoint, tcp://host:port or ipc://path',
    text(zmqEndpoint),
    'tcp://127.0.0.1:5558',
  ),
  bind: setting(
    {
      variable: 'SETTLED_INGEST_BIND',
      description: 'Whether we bind the endpoint and the engine connects to us.',
    },
    'true or false',
    flag,
    false,
  ),
  maxInFlightEvents: count(
    'SETTLED_INGEST_MAX_IN_FLIGHT_EVENTS',
    'Events received and not yet settled, at most; past it the socket is not read and the engine is held up (I7).',
    1,
    1_000_000,
    20_000,
  ),
  chunkEventsMax: count('SETTLED_INGEST_CHUNK_EVENTS_MAX', 'Events in one Update, at most.', 1, 5_000, 500),
  chunkBytesMax: size(
    'SETTLED_INGEST_CHUNK_BYTES_MAX',
    "Bytes of one Update's payload, at most. Temporal warns above 512 KiB and fails above 2 MiB.",
    16 * KIB,
    500 * KIB,
    200 * KIB,
  ),
  receiveHighWaterMark: count(
    'SETTLED_INGEST_RECEIVE_HIGH_WATER_MARK',
    "Messages in ZeroMQ's receive buffer, about.",
    1,
    1_000_000,
    1_000,
  ),
});

const settlement = z.object({
  groupEventsMax: count(
    'SETTLED_SETTLEMENT_GROUP_EVENTS_MAX',
    'Events in one LOGGED BATCH, at most.',
    1,
    1_000,
    100,
  ),
  groupBytesMax: size(
    'SETTLED_SETTLEMENT_GROUP_BYTES_MAX',
    'Encoded bytes of one LOGGED BATCH, at most (I5). Cassandra fails batches above 50 KiB.',
    17 * KIB,
    49 * KIB,
    40 * KIB,
  ),
  batchesInFlightMax: count(
    'SETTLED_SETTLEMENT_BATCHES_IN_FLIGHT_MAX',
    'LOGGED BATCHes that a worker has under way at once, at most.',
    1,
    1_024,
    16,
  ),
  readsInFlightMax: count(
    'SETTLED_SETTLEMENT_READS_IN_FLIGHT_MAX',
    'Reads that a worker has under way at once, at most.',
    1,
    2_048,
    256,
  ),
  attemptMs: count(
    'SETTLED_SETTLEMENT_ATTEMPT_MS',
    'How long one attempt of the activity may wait for predecessors before it returns the remainder as behind.',
    100,
    60_000,
    5_000,
  ),
  doubtMs: count(
    'SETTLED_SETTLEMENT_DOUBT_MS',
    "How long an event may be in doubt before a later read makes it a conflict: Cassandra's batch log must have " +
      'been replayed by then.',
    1_000,
    3_600_000,
    30_000,
  ),
  writeRetryMsMax: count(
    'SETTLED_SETTLEMENT_WRITE_RETRY_MS_MAX',
    'How long a batch that timed out is sent again, unchanged, before the attempt fails (I5).',
    100,
    600_000,
    30_000,
  ),
});

const stack = z.object({
  home: setting(
    {
      variable: 'SETTLED_HOME',
      description: 'Where `settled up` keeps data, logs and state of what it started.',
    },
    'a path',
    text(),
    '.settled',
  ),
  cacheDir: path(
    'SETTLED_CACHE_DIR',
    'Where the servers are built once, for all checkouts; by default `settled` in XDG_CACHE_HOME or in ~/.cache.',
  ),
  ports: setting(
    {
      variable: 'SETTLED_STACK_PORTS',
      description: 'Whether `settled up` uses the ports below, or any that are free.',
    },
    'fixed or free',
    oneOf('fixed', 'free'),
    'fixed',
  ),
  temporalPort: stackPort('SETTLED_STACK_TEMPORAL_PORT', 'the Temporal', 7233),
  temporalUiPort: stackPort('SETTLED_STACK_TEMPORAL_UI_PORT', 'the Temporal web UI', 8233),
  cassandraPort: stackPort('SETTLED_STACK_CASSANDRA_PORT', 'the Cassandra (CQL)', 9042),
  cassandraStoragePort: stackPort(
    'SETTLED_STACK_CASSANDRA_STORAGE_PORT',
    'the Cassandra (between nodes)',
    7000,
  ),
  cassandraHeapMiB: count(
    'SETTLED_STACK_CASSANDRA_HEAP_MIB',
    'Heap of the Cassandra that `settled up` starts, in MiB.',
    256,
    65_536,
    1_024,
  ),
  temporalProgram: path(
    'SETTLED_TEMPORAL_PROGRAM',
    'The `temporal` program to start, instead of the one on PATH or our own build.',
  ),
  javaHome: path(
    'SETTLED_JAVA_HOME',
    "The Java to run Cassandra with, instead of JAVA_HOME's or the one on PATH.",
  ),
  retentionDays: count(
    'SETTLED_STACK_RETENTION_DAYS',
    'Days for which the Temporal that `settled up` starts keeps closed workflow runs. A history holds each event ' +
      'once or twice: at 10 000 events/s that is 350–700 GB a day.',
    1,
    365,
    1,
  ),
});

const log = z.object({
  level: setting(
    { variable: 'SETTLED_LOG_LEVEL', description: 'The least severe log lines that are written.' },
    'trace, debug, info, warn, error, fatal or silent',
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'info',
  ),
  pretty: setting(
    {
      variable: 'SETTLED_LOG_PRETTY',
      description: 'Whether log lines are for people or JSON; `auto` is for people on a terminal.',
    },
    'auto, true or false',
    oneOf('auto', 'true', 'false'),
    'auto',
  ),
});

/** Every setting, by section. Each leaf's `meta()` is a {@link SettingMeta}. */
export const configSchema = z.object({ temporal, cassandra, stream, ingest, settlement, stack, log });
