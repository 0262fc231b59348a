/**
 * What of a home's stack runs, answers, and uses. It only looks.
 */
import {
  type CassandraServerState,
  readStackState,
  STACK_HOST,
  type TemporalServerState,
} from '../config/index.ts';
import { SERVERS, type ServerName } from './home.ts';
import { cassandraVersion, temporalAnswers } from './probes.ts';
import { isRunning, residentBytes } from './process-identity.ts';

/**
 * How a server is: `answering` when it truly answers, `starting` before it first did, `silent` when it runs but does
 * not answer, `died` when it was started and is gone without `down`, `down` when it is not up.
 */
export type ServerCondition = 'answering' | 'starting' | 'silent' | 'died' | 'down';

/** One server of the stack, as found. */
export interface ServerStatus {
  readonly name: ServerName;
  readonly condition: ServerCondition;
  readonly pid?: number;
  /** host:port that clients use. */
  readonly address?: string;
  readonly uiUrl?: string;
  readonly version?: string;
  readonly startedAtMs?: number;
  readonly residentBytes?: number;
}

/** The stack of a home, as found. */
export interface StackStatus {
  readonly home: string;
  readonly servers: readonly ServerStatus[];
}

async function statusOf(
  name: ServerName,
  server: TemporalServerState | CassandraServerState | undefined,
  answers: () => Promise<boolean>,
): Promise<ServerStatus> {
  if (server === undefined) return { name, condition: 'down' };
  const { pid, ports, version, startedAtMs, phase } = server;
  const address = `${STACK_HOST}:${'cql' in ports ? ports.cql : ports.frontend}`;
  const about = {
    name,
    pid,
    address,
    version,
    startedAtMs,
    ...('ui' in ports ? { uiUrl: `http://${STACK_HOST}:${ports.ui}` } : {}),
  };
  if (!isRunning(server)) return { ...about, condition: 'died' };
  const resident = residentBytes(pid);
  const answering = await answers().catch(() => false);
  return {
    ...about,
    condition: answering ? 'answering' : phase === 'starting' ? 'starting' : 'silent',
    ...(resident === undefined ? {} : { residentBytes: resident }),
  };
}

/** How both servers of a home are. Takes some seconds at most, if they run and do not answer. */
export async function stackStatus(home: string, namespace = 'default'): Promise<StackStatus> {
  const { temporal, cassandra } = readStackState(home);
  const servers = await Promise.all([
    statusOf(
      SERVERS[0],
      temporal,
      async () => temporal !== undefined && (await temporalAnswers(temporal.ports, namespace)),
    ),
    statusOf(
      SERVERS[1],
      cassandra,
      async () => cassandra !== undefined && (await cassandraVersion(cassandra.ports.cql)) !== undefined,
    ),
  ]);
  return { home, servers };
}
