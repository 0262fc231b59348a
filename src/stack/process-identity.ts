/**
 * Which process a pid means. A pid alone may have been given to another process since; with the time at which the
 * process began it names one process for good, so nothing of ours ever signals a stranger.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A process, named so that a recycled pid is not mistaken for it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** What {@link processStart} said of it. */
  readonly processStart: string;
}

const bootId = (): string => {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
  } catch {
    return '';
  }
};

/** From Linux's /proc: clock ticks from boot to start, with the boot's id. */
function startFromProc(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The command's name, in parentheses, may hold anything: the fields begin after the last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, ticks] = [fields[0], fields[19]];
  return state === 'Z' || state === 'X' || ticks === undefined ? undefined : `${ticks}@${bootId()}`;
}

function startFromPs(pid: number): string | undefined {
  try {
    const line = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
    }).trim();
    return line === '' || line.startsWith('Z') ? undefined : line.replace(/^\S+\s+/, '');
  } catch {
    return undefined;
  }
}

/** When a process began, as the system tells it, or `undefined` where none of that pid runs. */
export const processStart = (pid: number): string | undefined =>
  process.platform === 'linux' ? startFromProc(pid) : startFromPs(pid);

/** Whether the very process still runs. */
export const isRunning = ({ pid, processStart: start }: ProcessIdentity): boolean =>
  processStart(pid) === start;

/** The process that is asking. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, processStart: processStart(process.pid) ?? 'unknown' };
}

/** Resident memory in bytes, where the system tells. */
export function residentBytes(pid: number): number | undefined {
  try {
    if (process.platform === 'linux') {
      const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
      return kib === undefined ? undefined : Number(kib) * 1024;
    }
    const kib = execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return kib === '' ? undefined : Number(kib) * 1024;
  } catch {
    return undefined;
  }
}
