/**
 * What processes use, from /proc: CPU seconds and resident memory. Where there is no /proc nothing is known, and the
 * figures are left out.
 */
import { readFileSync } from 'node:fs';

/** Linux counts CPU time in hundredths of a second for every program (USER_HZ). */
const TICKS_PER_SECOND = 100;
const SAMPLE_MS = 200;

/** CPU seconds (user and system, all threads) that a process has used so far. */
export function cpuSeconds(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command, in brackets, may hold anything; utime and stime are the 12th and 13th fields behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}

/** Resident memory of a process, MiB. */
export function residentMiB(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? undefined : Number(kib) / 1024;
  } catch {
    return undefined;
  }
}

/** CPU seconds by the names of processes. */
export type CpuByProcess = Readonly<Record<string, number>>;

/** Processes by name. */
export type Pids = Readonly<Record<string, number>>;

/** Looks at processes from its making to {@link end}. */
export class UsageMeter {
  readonly #pids: Pids;
  readonly #cpuBefore: ReadonlyMap<string, number | undefined>;
  readonly #memory = new Map<string, { atMs: number; mib: number }[]>();
  readonly #timer: NodeJS.Timeout;

  constructor(pids: Pids) {
    this.#pids = pids;
    this.#cpuBefore = new Map(Object.entries(pids).map(([name, pid]) => [name, cpuSeconds(pid)]));
    this.#timer = setInterval(() => {
      this.#sample();
    }, SAMPLE_MS);
    this.#sample();
  }

  /** Resident memory over time (performance.now()), MiB. */
  memory(name: string): readonly { readonly atMs: number; readonly mib: number }[] {
    return this.#memory.get(name) ?? [];
  }

  /** Ends the looking: CPU seconds used meanwhile, and the highest resident memory, MiB. */
  end(): { readonly cpuSeconds: CpuByProcess; readonly residentMiBMax: CpuByProcess } {
    clearInterval(this.#timer);
    this.#sample();
    const used: Record<string, number> = {};
    for (const [name, pid] of Object.entries(this.#pids)) {
      const [before, after] = [this.#cpuBefore.get(name), cpuSeconds(pid)];
      if (before !== undefined && after !== undefined) used[name] = after - before;
    }
    const highest = [...this.#memory].map(([name, seen]) => [name, Math.max(...seen.map(({ mib }) => mib))]);
    return { cpuSeconds: used, residentMiBMax: Object.fromEntries(highest) as CpuByProcess };
  }

  #sample(): void {
    const atMs = performance.now();
    for (const [name, pid] of Object.entries(this.#pids)) {
      const mib = residentMiB(pid);
      if (mib === undefined) continue;
      const seen = this.#memory.get(name);
      if (seen) seen.push({ atMs, mib });
      else this.#memory.set(name, [{ atMs, mib }]);
    }
  }
}
