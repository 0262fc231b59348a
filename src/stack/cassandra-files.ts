/**
 * Cassandra's jars: fetched once by Maven into the cache, and compared with pinned digests before they are trusted,
 * since Maven itself pins only versions.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { builtOnce, findBuilt } from './built-once.ts';
import { JARS_BYTES, requireSpace, saysDiskFull } from './disk.ts';
import { BuildFailedError, DiskFullError } from './errors.ts';
import { CASSANDRA_MODULE } from './pinned.ts';
import type { ProcessIdentity } from './process-identity.ts';
import type { Progress } from './progress.ts';
import { type Environment, requireMaven } from './tools.ts';

const COPY_GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

/** Where to keep the jars, and how to get them. */
export interface CassandraFilesSearch {
  readonly cacheDir: string;
  readonly env: Environment;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
}

/**
 * Jars that are missing, altered, or not ours.
 * @param digests lines of `sha256sum`
 */
export function wrongJars(folder: string, digests: string): string[] {
  const pinned = new Map(
    digests
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/) as [string, string])
      .map(([digest, name]) => [name, digest]),
  );
  const present = readdirSync(folder).filter((name) => name.endsWith('.jar'));
  const digestOf = (name: string) =>
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
  return [
    ...[...pinned.keys()].filter((name) => !present.includes(name)).map((name) => `${name} is missing`),
    ...present.filter((name) => !pinned.has(name)).map((name) => `${name} is not on the list`),
    ...present
      .filter((name) => pinned.has(name) && pinned.get(name) !== digestOf(name))
      .map((name) => `${name} has other content`),
  ];
}

async function fetchJars(
  maven: string,
  folder: string,
  { env, signal }: CassandraFilesSearch,
): Promise<void> {
  const args = [
    '-B',
    '-q',
    '-f',
    CASSANDRA_MODULE.pom,
    COPY_GOAL,
    `-DoutputDirectory=${folder}`,
    '-DincludeScope=runtime',
  ];
  const result = await execa(maven, args, {
    env,
    extendEnv: false,
    all: true,
    reject: false,
    stdin: 'ignore',
    ...(signal ? { cancelSignal: signal } : {}),
  });
  signal?.throwIfAborted();
  if (result.failed && saysDiskFull(result.all))
    throw new DiskFullError(
      folder,
      undefined,
      JARS_BYTES,
      "SETTLED_CACHE_DIR (or Maven's own repository, ~/.m2)",
    );
  if (result.failed)
    throw new BuildFailedError(
      `Cassandra's files could not be fetched with \`mvn ${COPY_GOAL}\` in stack/cassandra:\n` +
        `${result.all?.split('\n').slice(-15).join('\n').replace(/^/gm, '  | ')}\n` +
        'Maven needs to reach its repository once (~/.m2/settings.xml names mirrors and proxies).',
    );
  const wrong = wrongJars(folder, readFileSync(CASSANDRA_MODULE.digests, 'utf8'));
  if (wrong.length > 0)
    throw new BuildFailedError(
      `What Maven fetched for Cassandra is not what stack/cassandra/jars.sha256 pins: ${wrong.join(', ')}.`,
    );
}

/**
 * The folder with Cassandra's jars.
 * @throws {MissingToolError | BuildFailedError | DiskFullError}
 */
export async function cassandraFiles(search: CassandraFilesSearch): Promise<string> {
  const { cacheDir, progress, signal, env } = search;
  const thing = { cacheDir, name: 'cassandra', inputs: [CASSANDRA_MODULE.pom, CASSANDRA_MODULE.digests] };
  const found = findBuilt(thing);
  if (found !== undefined) return found;
  const maven = requireMaven(env);
  requireSpace(cacheDir, JARS_BYTES, 'SETTLED_CACHE_DIR');
  const step = progress.step('Cassandra: fetching once for this machine', { slow: true });
  const onWait = ({ pid }: ProcessIdentity) =>
    progress.note(`Cassandra: another settled (process ${pid}) is fetching it; waiting for that`);
  try {
    const place = await builtOnce({
      ...thing,
      signal,
      onWait,
      build: (folder) => fetchJars(maven, folder, search),
    });
    step.done('fetched');
    return place;
  } catch (error) {
    step.fail('not fetched');
    throw error;
  }
}
