/**
 * The `temporal` program: the user's own if there is one, else built once from pinned Go modules into the cache.
 */
import { join } from 'node:path';
import { execa } from 'execa';
import { type BuildOnce, builtOnce, findBuilt } from './built-once.ts';
import { BUILD_BYTES, requireSpace, saysDiskFull } from './disk.ts';
import { BuildFailedError, DiskFullError, MissingToolError } from './errors.ts';
import { goVersionWanted, TEMPORAL_MODULE, temporalVersionPinned } from './pinned.ts';
import type { ProcessIdentity } from './process-identity.ts';
import type { Progress } from './progress.ts';
import { type Environment, findOnPath, outputOf, requireGo } from './tools.ts';

/** A program to start, and what it said of its version. */
export interface TemporalProgram {
  readonly path: string;
  readonly version: string;
  readonly origin: 'configured' | 'path' | 'built';
}

/** Where and how to look. */
export interface TemporalProgramSearch {
  readonly configured: string | undefined;
  readonly cacheDir: string;
  readonly env: Environment;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
}

const versionOf = async (path: string, env: Environment): Promise<string | undefined> =>
  /^temporal version (.+)$/m.exec((await outputOf(path, ['--version'], env)) ?? '')?.[1];

async function build(go: string, folder: string, { env, signal }: TemporalProgramSearch): Promise<void> {
  const args = [
    'build',
    '-mod=readonly',
    '-trimpath',
    '-ldflags',
    `-s -w -X github.com/temporalio/cli/temporalcli.Version=${temporalVersionPinned()}`,
    '-o',
    join(folder, 'temporal'),
    TEMPORAL_MODULE.package,
  ];
  const result = await execa(go, args, {
    cwd: TEMPORAL_MODULE.folder,
    // No C compiler, no toolchain from elsewhere, no workspace or flags of the user's: the same program everywhere.
    env: { ...env, CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOWORK: 'off', GOFLAGS: '' },
    extendEnv: false,
    all: true,
    reject: false,
    stdin: 'ignore',
    ...(signal ? { cancelSignal: signal } : {}),
  });
  signal?.throwIfAborted();
  if (!result.failed) return;
  if (saysDiskFull(result.all))
    throw new DiskFullError(folder, undefined, BUILD_BYTES, 'SETTLED_CACHE_DIR (or GOCACHE)');
  throw new BuildFailedError(
    `Temporal's dev server could not be built with \`go ${args.slice(0, 2).join(' ')} …\` in stack/temporal:\n` +
      `${result.all?.split('\n').slice(-15).join('\n').replace(/^/gm, '  | ')}\n` +
      'Go needs to reach its module proxy (GOPROXY) once. A second try goes on where this one stopped.',
  );
}

async function buildTemporal(
  thing: Pick<BuildOnce, 'cacheDir' | 'name' | 'inputs'>,
  search: TemporalProgramSearch,
): Promise<string> {
  const { env, progress, signal } = search;
  const go = await requireGo(goVersionWanted(), env);
  requireSpace(thing.cacheDir, BUILD_BYTES, 'SETTLED_CACHE_DIR');
  const step = progress.step('Temporal: building once for this machine, takes minutes', { slow: true });
  const onWait = ({ pid }: ProcessIdentity) =>
    progress.note(`Temporal: another settled (process ${pid}) is building it; waiting for that`);
  try {
    const place = await builtOnce({ ...thing, signal, onWait, build: (to) => build(go, to, search) });
    step.done('built');
    return place;
  } catch (error) {
    step.fail('not built');
    throw error;
  }
}

/**
 * The program to start. Building takes two to three minutes the first time on a machine.
 * @throws {MissingToolError | BuildFailedError | DiskFullError}
 */
export async function temporalProgram(search: TemporalProgramSearch): Promise<TemporalProgram> {
  const { configured, cacheDir, env } = search;
  if (configured !== undefined) {
    const version = await versionOf(configured, env);
    if (version !== undefined) return { path: configured, version, origin: 'configured' };
    throw new MissingToolError(
      'temporal',
      `SETTLED_TEMPORAL_PROGRAM=${configured} does not run: \`${configured} --version\` told no version.`,
    );
  }
  const onPath = findOnPath('temporal', env);
  const onPathVersion = onPath === undefined ? undefined : await versionOf(onPath, env);
  if (onPath !== undefined && onPathVersion !== undefined)
    return { path: onPath, version: onPathVersion, origin: 'path' };

  const thing = { cacheDir, name: 'temporal', inputs: TEMPORAL_MODULE.files };
  const folder = findBuilt(thing) ?? (await buildTemporal(thing, search));
  const built = join(folder, 'temporal');
  const version = await versionOf(built, env);
  if (version !== undefined) return { path: built, version, origin: 'built' };
  throw new BuildFailedError(`${built} does not run. Remove ${folder}, and the next start builds it again.`);
}
