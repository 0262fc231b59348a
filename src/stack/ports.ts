/**
 * Ports on loopback: which are free, and who has one that is not.
 */
import { execFile } from 'node:child_process';
import { createServer, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { STACK_HOST } from '../config/index.ts';

/** Below the ranges from which systems take ports for outgoing connections, so those never collide with ours. */
const FREE_PORT_MIN = 20_000;
const FREE_PORT_MAX = 32_000;
const FREE_PORT_TRIES_MAX = 200;
const FREE_POLL_MS = 50;

/** Whether a server could listen on the port. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: STACK_HOST, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * Whether a server could listen on the port within a time: of a process that was killed, and counts as gone, the last thread may
 * still have to close its sockets.
 *
 * @param msMax how long to wait for it, ms
 */
export async function isPortFreeSoon(port: number, msMax: number): Promise<boolean> {
  const deadline = performance.now() + msMax;
  while (!(await isPortFree(port))) {
    if (performance.now() > deadline) return false;
    await sleep(FREE_POLL_MS);
  }
  return true;
}

/** Whether something accepts connections on the port. */
export function isListening(port: number, host = STACK_HOST, timeoutMs = 1_000): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

/**
 * A port that was free a moment ago, chosen at random so that runs side by side rarely choose the same. Whoever uses
 * it must still be ready to find it taken, and ask again.
 */
export async function pickFreePort(taken: ReadonlySet<number> = new Set()): Promise<number> {
  for (let tries = 0; tries < FREE_PORT_TRIES_MAX; tries++) {
    const port = FREE_PORT_MIN + Math.floor(Math.random() * (FREE_PORT_MAX - FREE_PORT_MIN));
    if (!taken.has(port) && (await isPortFree(port))) return port;
  }
  throw new Error(`no free port found between ${FREE_PORT_MIN} and ${FREE_PORT_MAX}`);
}

/** Who listens on the port, as "process 123 (java)", where the system's tools tell. */
export async function portOwner(port: number): Promise<string | undefined> {
  const run = promisify(execFile);
  try {
    const { stdout } = await run('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc']);
    const [pid, command] = [/^p(\d+)$/m.exec(stdout)?.[1], /^c(.+)$/m.exec(stdout)?.[1]];
    if (pid !== undefined) return `process ${pid}${command === undefined ? '' : ` (${command})`}`;
  } catch {
    // Not installed, or nothing that we may see.
  }
  try {
    const { stdout } = await run('ss', ['-Hltnp', `sport = :${port}`]);
    const match = /\("([^"]+)",pid=(\d+)/.exec(stdout);
    if (match) return `process ${match[2]} (${match[1]})`;
  } catch {
    // As above.
  }
  return undefined;
}
