/**
 * Puts a watchdog beside an attached stack: whatever becomes of this process, the servers do not linger.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { homePaths } from './home.ts';

/** What a starter says that needs its watchdog no more. */
export const WATCHDOG_DISMISSED = 'dismissed';

/** A watchdog that is sent home is waited for no longer, ms. */
const GONE_MS_MAX = 3_000;

/** What becomes of the data when the starter ends: kept, wiped, or removed with the whole home. */
export type WatchdogEnding = 'keep' | 'wipe' | 'remove';

/** A watchdog on duty. */
export interface Watchdog {
  readonly pid: number | undefined;
  /** Sends it home; the stack is not touched. Resolves when it is gone, or after a while. */
  dismiss(): Promise<void>;
}

/** Starts a watchdog for the stack in this home, bound to the life of this process. */
export function startWatchdog(home: string, ending: WatchdogEnding): Watchdog {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const program = fileURLToPath(new URL('./watchdog.ts', import.meta.url));
  const log = openSync(homePaths(home).watchdogLog, 'a');
  const child = spawn(process.execPath, ['--import', tsx, program, home, ending], {
    detached: true,
    stdio: ['pipe', log, log],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  closeSync(log);
  child.unref();
  // Neither the process nor the pipe keeps this process alive; it ends and the watchdog sees the pipe's end.
  const pipe = child.stdin as Socket;
  pipe.unref();
  pipe.on('error', () => {});
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve()).once('error', () => resolve());
  });
  const dismiss = async (): Promise<void> => {
    pipe.end(WATCHDOG_DISMISSED);
    child.ref();
    await Promise.race([gone, sleep(GONE_MS_MAX, undefined, { ref: false })]);
    child.unref();
  };
  return { pid: child.pid, dismiss };
}
