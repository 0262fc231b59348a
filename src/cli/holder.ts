/**
 * Who holds a lease: this process, named so that another process on the same machine can tell that it is gone, and need
 * not wait for its lease to run out. Elsewhere the name is only a name.
 */
import { randomUUID } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { ownIdentity, processStart, type ProcessIdentity } from '../stack/process-identity.ts';

interface Holder extends ProcessIdentity {
  /** Nothing else has it. */
  readonly id: string;
  /** In which the pid means something; undefined where the system does not tell. */
  readonly pidNamespace: string | undefined;
}

function pidNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return undefined;
  }
}

/** This process, for people. */
export const holderName = (): string => `${hostname()} pid ${process.pid}`;

/** This process, for programs; another text at each call. */
export function newHolderId(): string {
  const holder: Holder = { ...ownIdentity(), id: randomUUID(), pidNamespace: pidNamespace() };
  return JSON.stringify(holder);
}

/** True only if that process ran on this machine, since it started last, and is gone. */
export function isHolderGone(holderId: string): boolean {
  const holder = parsed(holderId);
  const here = pidNamespace();
  if (!holder || here === undefined || holder.pidNamespace !== here) return false;
  const boot = (start: string): string | undefined => start.split('@')[1];
  const ownBoot = boot(ownIdentity().processStart);
  if (!ownBoot || boot(holder.processStart) !== ownBoot) return false;
  if (!exists(holder.pid)) return true;
  // A process that is there and tells nothing may be another user's, hidden: then nothing is known.
  const start = processStart(holder.pid);
  return start !== undefined && start !== holder.processStart;
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function parsed(holderId: string): Holder | undefined {
  try {
    const holder = JSON.parse(holderId) as Holder;
    return Number.isSafeInteger(holder.pid) && holder.pid > 0 && typeof holder.processStart === 'string'
      ? holder
      : undefined;
  } catch {
    return undefined;
  }
}
