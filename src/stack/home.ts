/**
 * The folder in which a stack lives: data, logs and state of one pair of servers. Every path below it is named here,
 * and only what is named here is ever removed.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { stackStatePath } from '../config/index.ts';

/** The servers of a stack. */
export const SERVERS = ['temporal', 'cassandra'] as const;
/** One of them. */
export type ServerName = (typeof SERVERS)[number];

/** A console log above this size is set aside at the next start. */
const CONSOLE_LOG_BYTES_MAX = 10 * 1024 * 1024;

/** The paths of a home. */
export const homePaths = (home: string) => ({
  state: stackStatePath(home),
  lock: join(home, 'stack.lock'),
  logs: join(home, 'logs'),
  /** What a server's process prints. */
  console: { temporal: join(home, 'logs', 'temporal.log'), cassandra: join(home, 'logs', 'cassandra.out') },
  /** What a person wants to read of a server. */
  log: { temporal: join(home, 'logs', 'temporal.log'), cassandra: join(home, 'logs', 'cassandra.log') },
  watchdogLog: join(home, 'logs', 'watchdog.log'),
  temporal: join(home, 'temporal'),
  temporalDatabase: join(home, 'temporal', 'temporal.db'),
  cassandra: join(home, 'cassandra'),
  cassandraConfig: join(home, 'cassandra', 'cassandra.yaml'),
  cassandraLogback: join(home, 'cassandra', 'logback.xml'),
  /** Outboxes of simulated engines: what they sent goes with what was settled of it. */
  outbox: join(home, 'outbox'),
});

/** Makes the home's folders. Git ignores all of it, wherever it is. */
export function makeHome(home: string): void {
  const paths = homePaths(home);
  for (const folder of [home, paths.logs, paths.temporal, paths.cassandra])
    mkdirSync(folder, { recursive: true });
  const ignore = join(home, '.gitignore');
  if (!existsSync(ignore)) writeFileSync(ignore, '*\n');
}

/** Sets a console log aside that has grown large; servers append to theirs for as long as they run. */
export function rotateConsoleLog(path: string): void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > CONSOLE_LOG_BYTES_MAX)
    renameSync(path, `${path}.1`);
}

/** Removes what the servers keep. Other files in the home are not the stack's and stay. Done under the home's lock. */
export function wipeHome(home: string): void {
  const paths = homePaths(home);
  for (const path of [paths.temporal, paths.cassandra, paths.outbox, paths.logs, paths.state])
    rmSync(path, { recursive: true, force: true });
}

/** Removes a home in which nothing is left, after its lock was given back. */
export function removeEmptyHome(home: string): void {
  const ignore = join(home, '.gitignore');
  if (readdirSync(home).some((name) => name !== '.gitignore')) return;
  rmSync(ignore, { force: true });
  try {
    rmdirSync(home);
  } catch (error) {
    // Somebody has begun to use it again meanwhile: then it is theirs.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
  }
}
