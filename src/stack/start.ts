/**
 * Brings the stack up: finds or builds the two servers, starts what does not run yet, waits until both truly answer.
 * A start that fails or is interrupted stops what it started. What the user has running elsewhere is used, never
 * started or stopped.
 */
import { DATA_BYTES, requireSpace, saysDiskFull } from './disk.ts';
import { DiskFullError, InterruptedError } from './errors.ts';
import { homePaths, makeHome, type ServerName } from './home.ts';
import { withLock } from './lock.ts';
import type { StartStackOptions } from './options.ts';
import { type CassandraPlace, cassandraPart, type Part, type TemporalPlace, temporalPart } from './parts.ts';
import type { ProcessIdentity } from './process-identity.ts';
import { silentProgress } from './progress.ts';
import { stopProcess } from './server-process.ts';
import { noteServer, type ServerStart } from './server-start.ts';
import { stopStack } from './stop.ts';
import { startWatchdog, type Watchdog } from './watching.ts';

/** A stack that answers. */
export interface RunningStack {
  readonly home: string;
  /** host:port */
  readonly temporalAddress: string;
  readonly temporalUiUrl: string | undefined;
  readonly cassandraContactPoints: readonly string[];
  readonly cassandraPort: number;
  readonly datacenter: string;
  /** Which of the servers this call had to start. */
  readonly started: { readonly temporal: boolean; readonly cassandra: boolean };
  /** Stops the servers of this home; those of the user's are left alone. */
  stop(options?: { readonly wipe?: boolean }): Promise<void>;
}

/** A process that this start is answerable for. */
interface Launched {
  readonly identity: ProcessIdentity;
  readonly graceMs: number;
}

/** Both at once; when one fails the other is interrupted, and only then the first failure is thrown. */
async function bothOrNeither<A, B>(
  abort: AbortController,
  a: () => Promise<A>,
  b: () => Promise<B>,
): Promise<readonly [A, B]> {
  let first: { readonly error: unknown } | undefined;
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      first ??= { error };
      abort.abort(error);
      throw error;
    }
  };
  const [resultA, resultB] = await Promise.allSettled([guarded(a), guarded(b)]);
  if (resultA.status === 'rejected' || resultB.status === 'rejected') throw first?.error;
  return [resultA.value, resultB.value];
}

/** Starts under the home's lock, and undoes it all on failure. */
async function startUnderLock(
  home: string,
  abort: AbortController,
  start: Omit<ServerStart, 'onLaunch'>,
  temporal: Part<TemporalPlace>,
  cassandra: Part<CassandraPlace>,
): Promise<readonly [TemporalPlace, CassandraPlace]> {
  const launched = new Map<ServerName, Launched>();
  const startOf = (name: ServerName): ServerStart => ({
    ...start,
    onLaunch: (identity, graceMs) => void launched.set(name, { identity, graceMs }),
  });
  // Again: whoever had the lock before may have wiped the home.
  makeHome(home);
  try {
    return await bothOrNeither(
      abort,
      () => temporal.ensure(startOf('temporal')),
      () => cassandra.ensure(startOf('cassandra')),
    );
  } catch (error) {
    await Promise.all(
      [...launched].map(async ([name, { identity, graceMs }]) => {
        await stopProcess(identity, graceMs);
        noteServer(home, name, undefined);
      }),
    );
    throw error;
  }
}

/** An error in the words of this stack: interruptions and full disks look different wherever they happen. */
function inOwnWords(error: unknown, home: string, interrupted: boolean): unknown {
  if (interrupted) return new InterruptedError();
  if (error instanceof DiskFullError || !saysDiskFull(error)) return error;
  return new DiskFullError(home, undefined, DATA_BYTES, 'SETTLED_HOME');
}

/** Both servers' parts, with all that they are started from at hand. */
async function preparedParts(
  options: StartStackOptions,
  abort: AbortController,
  around: Parameters<typeof temporalPart>[1],
): Promise<readonly [Part<TemporalPlace>, Part<CassandraPlace>]> {
  const parts = [temporalPart(options, around), cassandraPart(options, around)] as const;
  await bothOrNeither(abort, parts[0].prepare, parts[1].prepare);
  return parts;
}

/**
 * Finds or builds what the servers are started from, which takes minutes, once for a machine; starts nothing.
 * @throws {StackError} in words for a person
 */
export async function prepareStack(options: StartStackOptions): Promise<void> {
  const { settings, progress = silentProgress, env = process.env, signal } = options;
  const abort = new AbortController();
  const around = {
    home: settings.home,
    env,
    progress,
    signal: signal ? AbortSignal.any([signal, abort.signal]) : abort.signal,
  };
  try {
    await preparedParts(options, abort, around);
  } catch (error) {
    throw inOwnWords(error, settings.home, signal?.aborted === true);
  }
}

/**
 * Brings the stack of a home up, and returns once both servers truly answer. Servers that run already are kept.
 * @throws {StackError} in words for a person; whatever this call had started has then been stopped
 */
export async function startStack(options: StartStackOptions): Promise<RunningStack> {
  const { settings, progress = silentProgress, env = process.env, attached } = options;
  const { home } = settings;
  const abort = new AbortController();
  const interrupt = () => abort.abort(new InterruptedError());
  options.signal?.addEventListener('abort', interrupt, { once: true });
  if (options.signal?.aborted) interrupt();
  let watchdog: Watchdog | undefined;
  try {
    abort.signal.throwIfAborted();
    requireSpace(home, DATA_BYTES, 'SETTLED_HOME');
    makeHome(home);
    if (attached !== undefined) watchdog = startWatchdog(home, attached);
    const around = { home, env, progress, signal: abort.signal };
    const [temporal, cassandra] = await preparedParts(options, abort, around);
    const start = { home, portsMode: settings.ports, progress, signal: abort.signal };
    const onWait = (owner: ProcessIdentity) =>
      progress.note(
        `Another settled (process ${owner.pid}) is starting or stopping this stack; waiting for it`,
      );
    const [temporalPlace, cassandraPlace] = await withLock(
      homePaths(home).lock,
      { signal: abort.signal, onWait },
      () => startUnderLock(home, abort, start, temporal, cassandra),
    );
    return {
      home,
      temporalAddress: temporalPlace.address,
      temporalUiUrl: temporalPlace.uiUrl,
      cassandraContactPoints: cassandraPlace.contactPoints,
      cassandraPort: cassandraPlace.port,
      datacenter: cassandraPlace.datacenter,
      started: { temporal: temporalPlace.started, cassandra: cassandraPlace.started },
      stop: async (stopOptions = {}) => {
        await stopStack(home, { ...stopOptions, progress });
        await watchdog?.dismiss();
      },
    };
  } catch (error) {
    await watchdog?.dismiss();
    throw inOwnWords(error, home, options.signal?.aborted === true);
  } finally {
    options.signal?.removeEventListener('abort', interrupt);
  }
}
