/**
 * Brings the stack up: finds or builds the two servers, starts what does not run yet, waits until both truly answer.
 * A start that fails or is interrupted stops what it started. What the user has running elsewhere is used, never
 * started or stopped.
 */
import { type Config, readStackState, STACK_DATACENTER, STACK_HOST } from '../config/index.ts';
import { cassandraFiles } from './cassandra-files.ts';
import { cassandraServer } from './cassandra-server.ts';
import { DATA_BYTES, requireSpace, saysDiskFull } from './disk.ts';
import { DiskFullError, InterruptedError, StackError } from './errors.ts';
import { homePaths, makeHome, type ServerName } from './home.ts';
import { withLock } from './lock.ts';
import { isListening } from './ports.ts';
import { setRetention } from './probes.ts';
import { isRunning, type ProcessIdentity } from './process-identity.ts';
import { type Progress, silentProgress } from './progress.ts';
import { stopProcess } from './server-process.ts';
import { ensureServer, noteServer, type ServerStart } from './server-start.ts';
import { stopStack } from './stop.ts';
import { temporalProgram } from './temporal-program.ts';
import { temporalServer } from './temporal-server.ts';
import { type Environment, requireJava } from './tools.ts';
import { startWatchdog, type Watchdog, type WatchdogEnding } from './watching.ts';

/** What to start, and how. */
export interface StartStackOptions {
  /** Home, ports, cache and the like. */
  readonly settings: Config['stack'];
  /** @default 'default' */
  readonly namespace?: string;
  /** Search attributes for Temporal, name to type. */
  readonly searchAttributes?: Readonly<Record<string, string>>;
  /** host:port of a Temporal of the user's: none is started. */
  readonly temporalAddress?: string | undefined;
  readonly temporalUiUrl?: string | undefined;
  /** A Cassandra of the user's: none is started. */
  readonly cassandra?: {
    readonly contactPoints: readonly string[];
    readonly port: number;
    readonly datacenter: string;
  };
  /** The servers end with this process, even if that is killed; says what becomes of the data then. */
  readonly attached?: WatchdogEnding;
  /** Interrupts the start. */
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
  /** Where tools are looked for. @default process.env */
  readonly env?: Environment;
}

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

/** Start options out of a configuration: addresses that the user configured are used, the rest is started. */
export function stackOptions(config: Config): StartStackOptions {
  const { temporal, cassandra, stack } = config;
  return {
    settings: stack,
    namespace: temporal.namespace,
    ...(temporal.addressSource === 'configured'
      ? { temporalAddress: temporal.address, temporalUiUrl: temporal.uiUrl }
      : {}),
    ...(cassandra.addressSource === 'configured'
      ? {
          cassandra: {
            contactPoints: cassandra.contactPoints,
            port: cassandra.port,
            datacenter: cassandra.datacenter,
          },
        }
      : {}),
  };
}

/** A process that this start is answerable for. */
interface Launched {
  readonly identity: ProcessIdentity;
  readonly graceMs: number;
}

/** The two halves of a start: what takes minutes and needs no lock, and what changes the home. */
interface Part<T> {
  /** Finds or builds what is needed to start it, unless it runs. */
  readonly prepare: () => Promise<unknown>;
  readonly ensure: (start: ServerStart) => Promise<T>;
}

interface TemporalPlace {
  readonly address: string;
  readonly uiUrl: string | undefined;
  readonly started: boolean;
}

interface CassandraPlace {
  readonly contactPoints: readonly string[];
  readonly port: number;
  readonly datacenter: string;
  readonly started: boolean;
}

/** What both parts are given. */
interface Surroundings {
  readonly home: string;
  readonly env: Environment;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Calls once, and remembers. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let promise: Promise<T> | undefined;
  return () => (promise ??= work());
}

const runs = (home: string, name: ServerName): boolean => {
  const server = readStackState(home)[name];
  return server !== undefined && isRunning(server);
};

/** A server of the user's: it must answer, and nothing is started. */
async function requireAnswer(what: string, host: string, port: number, variable: string): Promise<void> {
  if (await isListening(port, host.replace(/^\[|\]$/g, ''))) return;
  throw new StackError(
    `${what} does not answer at ${host}:${port}, where ${variable} says it is. Nothing is started in its place.`,
  );
}

function temporalPart(options: StartStackOptions, around: Surroundings): Part<TemporalPlace> {
  const { settings, namespace = 'default', searchAttributes = {}, temporalAddress, temporalUiUrl } = options;
  const { home, env, progress, signal } = around;
  if (temporalAddress !== undefined) {
    const colon = temporalAddress.lastIndexOf(':');
    const [host, port] = [temporalAddress.slice(0, colon), Number(temporalAddress.slice(colon + 1))];
    return {
      prepare: () => requireAnswer('Temporal', host, port, 'SETTLED_TEMPORAL_ADDRESS'),
      ensure: async () => {
        progress.note(`Temporal: yours at ${temporalAddress}, none is started`);
        return { address: temporalAddress, uiUrl: temporalUiUrl, started: false };
      },
    };
  }
  const { temporalProgram: configured, cacheDir, retentionDays } = settings;
  const program = once(() => temporalProgram({ configured, cacheDir, env, progress, signal }));
  const kind = temporalServer({ home, program, settings, namespace, searchAttributes, env });
  return {
    prepare: async () => void (runs(home, 'temporal') || (await program())),
    ensure: async (start) => {
      const { server, started } = await ensureServer(kind, start);
      const { frontend, ui } = server.ports;
      await setRetention(frontend, namespace, retentionDays);
      return { address: `${STACK_HOST}:${frontend}`, uiUrl: `http://${STACK_HOST}:${ui}`, started };
    },
  };
}

function cassandraPart(options: StartStackOptions, around: Surroundings): Part<CassandraPlace> {
  const { settings, cassandra } = options;
  const { home, env, progress, signal } = around;
  if (cassandra !== undefined) {
    const [host = STACK_HOST] = cassandra.contactPoints;
    return {
      prepare: () => requireAnswer('Cassandra', host, cassandra.port, 'SETTLED_CASSANDRA_CONTACT_POINTS'),
      ensure: async () => {
        progress.note(`Cassandra: yours at ${cassandra.contactPoints.join(', ')}, none is started`);
        return { ...cassandra, started: false };
      },
    };
  }
  const tools = once(async () => {
    const { program } = await requireJava(settings.javaHome, env);
    return {
      java: program,
      jars: await cassandraFiles({ cacheDir: settings.cacheDir, env, progress, signal }),
    };
  });
  const kind = cassandraServer({ home, tools, settings, env });
  return {
    prepare: async () => void (runs(home, 'cassandra') || (await tools())),
    ensure: async (start) => {
      const { server, started } = await ensureServer(kind, start);
      return { contactPoints: [STACK_HOST], port: server.ports.cql, datacenter: STACK_DATACENTER, started };
    },
  };
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
    const [temporal, cassandra] = [temporalPart(options, around), cassandraPart(options, around)];
    await bothOrNeither(abort, temporal.prepare, cassandra.prepare);
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
        watchdog?.dismiss();
      },
    };
  } catch (error) {
    watchdog?.dismiss();
    throw inOwnWords(error, home, options.signal?.aborted === true);
  } finally {
    options.signal?.removeEventListener('abort', interrupt);
  }
}
