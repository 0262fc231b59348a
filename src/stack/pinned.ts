/**
 * The pinned inputs of both servers, which lie in `stack/` of this repository: what is built from them depends on
 * nothing else.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const pinned = (path: string): string => fileURLToPath(new URL(`../../stack/${path}`, import.meta.url));

/** The Go module that names Temporal's command line as a tool. */
export const TEMPORAL_MODULE = {
  folder: pinned('temporal'),
  files: [pinned('temporal/go.mod'), pinned('temporal/go.sum')],
  package: 'github.com/temporalio/cli/cmd/temporal',
} as const;

/** Maven's list of Cassandra's jars, with their digests. */
export const CASSANDRA_MODULE = {
  pom: pinned('cassandra/pom.xml'),
  digests: pinned('cassandra/jars.sha256'),
  config: pinned('cassandra/cassandra.yaml'),
  logback: pinned('cassandra/logback.xml'),
} as const;

const captured = (path: string, pattern: RegExp): string => {
  const value = pattern.exec(readFileSync(path, 'utf8'))?.[1];
  if (value === undefined)
    throw new Error(`${path} does not state what is expected of it (${pattern.source})`);
  return value;
};

/** The version of Go that building Temporal needs at least. */
export const goVersionWanted = (): string => captured(TEMPORAL_MODULE.files[0], /^go (\S+)$/m);

/** The pinned version of Temporal's command line, such as `1.5.1`. */
export const temporalVersionPinned = (): string =>
  captured(TEMPORAL_MODULE.files[0], /^\s*github\.com\/temporalio\/cli v(\S+)/m);

/** The pinned version of Cassandra, such as `5.0.8`. */
export const cassandraVersionPinned = (): string =>
  captured(CASSANDRA_MODULE.pom, /<artifactId>cassandra-all<\/artifactId>\s*<version>([^<]+)</);
