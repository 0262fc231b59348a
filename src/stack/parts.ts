/**
 * Each server's part in a start: the user's own, which must answer and is left alone, or ours, for which programs are
 * found or built before anything in the home changes.
 */
import { readStackState, STACK_DATACENTER, STACK_HOST } from '../config/index.ts';
import { cassandraFiles } from './cassandra-files.ts';
import { cassandraServer } from './cassandra-server.ts';
import { StackError } from './errors.ts';
import type { ServerName } from './home.ts';
import type { StartStackOptions } from './options.ts';
import { isListening } from './ports.ts';
import { setRetention } from './probes.ts';
import { isRunning } from './process-identity.ts';
import type { Progress } from './progress.ts';
import { ensureServer, type ServerStart } from './server-start.ts';
import { temporalProgram } from './temporal-program.ts';
import { temporalServer } from './temporal-server.ts';
import { type Environment, requireJava } from './tools.ts';

/** The two halves of a start: what takes minutes and needs no lock, and what changes the home. */
export interface Part<T> {
  /** Finds or builds what is needed to start it, unless it runs. */
  readonly prepare: () => Promise<unknown>;
  readonly ensure: (start: ServerStart) => Promise<T>;
}

/** Where Temporal is. */
export interface TemporalPlace {
  readonly address: string;
  readonly uiUrl: string | undefined;
  readonly started: boolean;
}

/** Where Cassandra is. */
export interface CassandraPlace {
  readonly contactPoints: readonly string[];
  readonly port: number;
  readonly datacenter: string;
  readonly started: boolean;
}

/** What both parts are given. */
export interface Surroundings {
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

/** Temporal's part of a start. */
export function temporalPart(options: StartStackOptions, around: Surroundings): Part<TemporalPlace> {
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

/** Cassandra's part of a start. */
export function cassandraPart(options: StartStackOptions, around: Surroundings): Part<CassandraPlace> {
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
