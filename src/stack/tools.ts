/**
 * The programs of this machine that the stack needs: where they are, and whether their versions will do. What is
 * missing is named with what to install.
 */
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { MissingToolError } from './errors.ts';

/** The environment in which tools are looked for. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Cassandra 5.0 runs on these only. */
const JAVA_MAJORS: readonly number[] = [17, 11];

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
};

/** A program's full path, found on PATH. */
export function findOnPath(program: string, env: Environment): string | undefined {
  return (env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, program))
    .find(isProgram);
}

/** Everything that a program prints, or `undefined` where it can't be run. */
export async function outputOf(
  program: string,
  args: readonly string[],
  env: Environment,
): Promise<string | undefined> {
  const result = await execa(program, args, {
    env,
    extendEnv: false,
    reject: false,
    timeout: 30_000,
    all: true,
    stdin: 'ignore',
  });
  return result.failed ? undefined : result.all;
}

/** A Java that was found. */
interface Java {
  readonly program: string;
  readonly major: number;
}

/** Java's major version out of what `java -version` prints. */
export function javaMajor(output: string): number | undefined {
  const match = /version "(?:1\.)?(\d+)/.exec(output);
  return match ? Number(match[1]) : undefined;
}

function javaCandidates(
  javaHome: string | undefined,
  env: Environment,
  folders: readonly string[],
): string[] {
  if (javaHome !== undefined) return [join(javaHome, 'bin', 'java')];
  const candidates = [env['JAVA_HOME'] && join(env['JAVA_HOME'], 'bin', 'java'), findOnPath('java', env)];
  // Distributions keep several side by side; the one on PATH is not always the one that Cassandra wants.
  for (const folder of folders) {
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder))
      if (/1[17]/.test(name)) candidates.push(join(folder, name, 'bin', 'java'));
  }
  return candidates.filter((candidate): candidate is string => !!candidate && isProgram(candidate));
}

/**
 * A Java on which Cassandra runs.
 * @param javaHome the one that the user chose; no other is then looked for
 * @param folders where distributions keep several Javas side by side
 * @throws {MissingToolError}
 */
export async function requireJava(
  javaHome: string | undefined,
  env: Environment,
  folders: readonly string[] = ['/usr/lib/jvm'],
): Promise<Java> {
  const found: string[] = [];
  for (const program of javaCandidates(javaHome, env, folders)) {
    const major = javaMajor((await outputOf(program, ['-version'], env)) ?? '');
    if (major !== undefined && JAVA_MAJORS.includes(major)) return { program, major };
    if (major !== undefined) found.push(`${program} is Java ${major}`);
  }
  throw new MissingToolError(
    'java',
    `Cassandra 5.0 needs Java 17 to run, and ${found.length > 0 ? `only others were found (${[...new Set(found)].join(', ')})` : `no Java was found${javaHome === undefined ? '' : ` in ${javaHome}`}`}. ` +
      'Install one (Debian/Ubuntu: `apt install openjdk-17-jre-headless`, macOS: `brew install openjdk@17`), or say ' +
      'where it is with SETTLED_JAVA_HOME, or use a Cassandra of yours with SETTLED_CASSANDRA_CONTACT_POINTS.',
  );
}

/**
 * Maven, which fetches Cassandra's files.
 * @throws {MissingToolError}
 */
export function requireMaven(env: Environment): string {
  const program = findOnPath('mvn', env);
  if (program !== undefined) return program;
  throw new MissingToolError(
    'mvn',
    "Maven (`mvn`) is needed to fetch Cassandra's files, once, and is not on PATH. Install it (Debian/Ubuntu: `apt install " +
      'maven`, macOS: `brew install maven`), or use a Cassandra of yours with SETTLED_CASSANDRA_CONTACT_POINTS.',
  );
}

/** Whether version `found` (like `1.26.8`) is at least `wanted` (like `1.25.0`). */
export function isAtLeast(found: string, wanted: string): boolean {
  const parts = (version: string) => version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  const [a, b] = [parts(found), parts(wanted)];
  for (let index = 0; index < 3; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/**
 * Go, which builds Temporal's dev server. A newer toolchain is never downloaded: what is installed must do.
 * @param wanted the version that go.mod asks for
 * @throws {MissingToolError}
 */
export async function requireGo(wanted: string, env: Environment): Promise<string> {
  const otherwise =
    `Install Go ${wanted} or newer (https://go.dev/dl), or the \`temporal\` program itself (its path goes into ` +
    'SETTLED_TEMPORAL_PROGRAM unless it is on PATH), or use a Temporal of yours with SETTLED_TEMPORAL_ADDRESS.';
  const program = findOnPath('go', env);
  if (program === undefined)
    throw new MissingToolError(
      'go',
      `Temporal's dev server is built with Go, once, and \`go\` is not on PATH. ${otherwise}`,
    );
  const output = await outputOf(program, ['env', 'GOVERSION'], { ...env, GOTOOLCHAIN: 'local' });
  const version = /^go(\d+\.\d+(?:\.\d+)?)/m.exec(output ?? '')?.[1];
  if (version !== undefined && isAtLeast(version, wanted)) return program;
  const found = version === undefined ? `did not tell its version` : `is Go ${version}, too old`;
  throw new MissingToolError(
    'go',
    `Temporal's dev server is built with Go ${wanted} or newer, and ${program} ${found}. ${otherwise}`,
  );
}
