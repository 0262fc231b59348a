/**
 * A server as a process of its own: started apart from this one so that it outlives it, watched until it answers, and
 * stopped by its identity, never by its pid alone.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerFailedError, StackError } from './errors.ts';
import { isRunning, processStart, type ProcessIdentity } from './process-identity.ts';
import type { Environment } from './tools.ts';

const POLL_MS = 100;
const KILL_WAIT_MS_MAX = 5_000;

/** What to start. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly env: Environment;
  /** Where stdout and stderr go, appended. */
  readonly consolePath: string;
  /** What the program is, for the state and for people. */
  readonly version: string;
}

/**
 * Starts a program in a process group of its own.
 * @throws {StackError} when it can't even be started
 */
export async function launch({ program, args, folder, env, consolePath }: Launch): Promise<ProcessIdentity> {
  const output = openSync(consolePath, 'a');
  try {
    const child = spawn(program, args, {
      cwd: folder,
      env: { ...env },
      detached: true,
      stdio: ['ignore', output, output],
    });
    const failed = new Promise<Error>((resolve) => child.once('error', resolve));
    child.unref();
    if (child.pid === undefined)
      throw new StackError(`${program} can't be started: ${(await failed).message}`);
    return { pid: child.pid, processStart: processStart(child.pid) ?? 'ended at once' };
  } finally {
    closeSync(output);
  }
}

/** How to wait for a server. */
export interface AnswerWait {
  readonly title: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Whether it answers; a rejection counts as no. */
  readonly probe: () => Promise<boolean>;
  /** What to show of its output when it fails. */
  readonly output: () => string;
}

/**
 * Waits until a server truly answers.
 * @throws {ServerFailedError} as soon as it ends, or when the time is over; the signal's reason when aborted
 */
export async function untilAnswering(identity: ProcessIdentity, wait: AnswerWait): Promise<void> {
  const deadline = performance.now() + wait.timeoutMs;
  for (;;) {
    wait.signal.throwIfAborted();
    if (!isRunning(identity))
      throw new ServerFailedError(`${wait.title} ended while it was starting.`, wait.output());
    if (await wait.probe().catch(() => false)) return;
    if (performance.now() > deadline)
      throw new ServerFailedError(
        `${wait.title} did not answer within ${wait.timeoutMs / 1000} s.`,
        wait.output(),
      );
    await sleep(POLL_MS, undefined, { signal: wait.signal }).catch(() => wait.signal.throwIfAborted());
  }
}

/** Waits until the process is gone, and says whether it is. */
async function untilGone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isRunning(identity)) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS / 2);
  }
  return true;
}

function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM')
      throw new StackError(
        `Process ${identity.pid} belongs to another user and can't be stopped by this one.`,
      );
    if (code !== 'ESRCH') throw error;
  }
}

/** How a process ended when asked to. */
export type StopEnding = 'was-not-running' | 'stopped' | 'killed';

/**
 * Stops a process: asks, waits, and kills it only if it does not go.
 * @throws {StackError} when it can't be stopped
 */
export async function stopProcess(identity: ProcessIdentity, graceMs: number): Promise<StopEnding> {
  if (!isRunning(identity)) return 'was-not-running';
  signalProcess(identity, 'SIGTERM');
  if (await untilGone(identity, graceMs)) return 'stopped';
  signalProcess(identity, 'SIGKILL');
  if (await untilGone(identity, KILL_WAIT_MS_MAX)) return 'killed';
  throw new StackError(`Process ${identity.pid} did not end when killed.`);
}
