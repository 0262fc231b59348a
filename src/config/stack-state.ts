/**
 * The file in which `settled up` notes what it started: processes, ports, versions. The stack writes it; the
 * configuration reads addresses from it, so that every other command finds the servers without being told. It is
 * replaced atomically, and one that can't be read counts as absent only if it is absent.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const started = {
  pid: z.number().int().positive(),
  /** When the system says that the process began, so that a recycled pid is never taken for it. */
  processStart: z.string().min(1),
  /** `starting` until it has truly answered. */
  phase: z.enum(['starting', 'ready']),
  startedAtMs: z.number(),
  version: z.string(),
};

const temporalServer = z.object({
  ...started,
  ports: z.object({ frontend: z.number(), ui: z.number() }),
});

const cassandraServer = z.object({
  ...started,
  ports: z.object({ cql: z.number(), storage: z.number() }),
});

const stackState = z.object({
  format: z.literal(1),
  temporal: temporalServer.optional(),
  cassandra: cassandraServer.optional(),
});

/** A Temporal dev server that `up` started. */
export type TemporalServerState = z.infer<typeof temporalServer>;
/** A Cassandra node that `up` started. */
export type CassandraServerState = z.infer<typeof cassandraServer>;
/** What `up` started and has not stopped. */
export type StackState = z.infer<typeof stackState>;

/** The host that every server of the stack listens on: loopback only. */
export const STACK_HOST = '127.0.0.1';
/** The datacenter's name under Cassandra's SimpleSnitch. */
export const STACK_DATACENTER = 'datacenter1';

/** Where a home keeps its state. */
export const stackStatePath = (home: string): string => join(home, 'state.json');

/**
 * What the home's stack has running, as noted by `up`. It does not look at the processes.
 * @throws {Error} when the file is there but unreadable or not ours.
 */
export function readStackState(home: string): StackState {
  const path = stackStatePath(home);
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { format: 1 };
    throw error;
  }
  try {
    return stackState.parse(JSON.parse(content));
  } catch {
    throw new Error(
      `${path} is not a state file that this version of settled wrote. Move it away and try again.`,
    );
  }
}

/** Replaces the home's state in one step. */
export function writeStackState(home: string, state: StackState): void {
  const path = stackStatePath(home);
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(state, undefined, 2)}\n`);
  renameSync(temporary, path);
}
