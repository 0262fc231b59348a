/**
 * The settings of what runs on this machine: the stack that `settled up` starts, and the log.
 */
import { z } from 'zod';
import { count, path, stackPort } from './kinds.ts';
import { setting } from './setting.ts';
import { oneOf, text } from './values.ts';

/** What `settled up` starts. */
export const stack = z.object({
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
  cassandraCommitlogSync: setting(
    {
      variable: 'SETTLED_STACK_CASSANDRA_COMMITLOG_SYNC',
      description:
        'When the Cassandra that `settled up` starts acknowledges a write. `periodic`: before it is on disk; killed, it ' +
        'loses up to the last 100 ms, and without power up to 10 s. `batch`: when it is on disk, at about a third of ' +
        'the speed.',
    },
    'periodic or batch',
    oneOf('periodic', 'batch'),
    'periodic',
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
      'once: at 300 bytes each, 10 000 events/s are about 260 GB a day.',
    1,
    365,
    1,
  ),
});

/** The log. */
export const log = z.object({
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
