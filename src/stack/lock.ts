/**
 * A lock between processes: a file that names its owner. It is made in one step with its content, so it is never seen
 * half written; the lock of a process that died is taken over; whoever waits is told for whom.
 */
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning, ownIdentity, type ProcessIdentity } from './process-identity.ts';

const POLL_MS = 100;
/** A takeover takes microseconds; a guard this old was left by a process killed inside those. */
const TAKEOVER_MS_MAX = 10_000;

let attempts = 0;

function ownerOf(path: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity;
  } catch {
    return undefined;
  }
}

/** Makes the file with our name in it, unless it is there. */
function tryCreate(path: string): boolean {
  // Each time: the holder before us may have removed the folder with all that was in it.
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.${++attempts}`;
  writeFileSync(draft, JSON.stringify(ownIdentity()));
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Removes the lock of an owner that is dead. Two processes may find that out at once, and the slower must not remove
 * the new lock of the quicker: so this is done under a guard, looking again.
 */
function removeStale(path: string): void {
  const guard = `${path}.takeover`;
  if (!tryCreate(guard)) {
    const age = Date.now() - (statSync(guard, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > TAKEOVER_MS_MAX) rmSync(guard, { force: true });
    return;
  }
  try {
    const owner = ownerOf(path);
    if (owner === undefined || !isRunning(owner)) rmSync(path, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

/** How to wait for a lock. */
export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when there is someone to wait for. */
  readonly onWait?: (owner: ProcessIdentity) => void;
}

/**
 * Runs `work` while holding the lock, and gives the lock back however that ends. Not reentrant.
 * @throws whatever `work` throws, or the signal's reason when waiting is aborted
 */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  let told = false;
  while (!tryCreate(path)) {
    options.signal?.throwIfAborted();
    const owner = ownerOf(path);
    if (owner === undefined || !isRunning(owner)) {
      removeStale(path);
      if (owner === undefined) await sleep(POLL_MS);
      continue;
    }
    if (!told) options.onWait?.(owner);
    told = true;
    await sleep(POLL_MS, undefined, { signal: options.signal }).catch(() => options.signal?.throwIfAborted());
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}
