/** On what, of what and when a benchmark ran: figures without it say nothing. */
import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Where figures come from. */
export interface Origin {
  /** Short hash; with `+` where the sources differ from it. Empty where there is no repository. */
  readonly commit: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly machine: {
    readonly cores: number;
    readonly model: string;
    readonly memoryGiB: number;
    readonly system: string;
    readonly node: string;
  };
}

/** This machine, this commit, now. */
export function originNow(): Origin {
  const processors = cpus();
  return {
    commit: commit(),
    date: new Date().toISOString(),
    machine: {
      cores: processors.length,
      model: processors[0]?.model.trim() ?? 'unknown',
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      system: `${type()} ${release()}`,
      node: process.version,
    },
  };
}

/** "2 × AMD EPYC, 24 GiB, Node v20.20.0". */
export function describeMachine({ machine }: Origin): string {
  return `${machine.cores} × ${machine.model}, ${machine.memoryGiB} GiB, Node ${machine.node}`;
}

function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    // What the figures depend on: docs may differ.
    const changed = git('status', '--porcelain', '--', 'src', 'bench', 'stack', 'package-lock.json');
    return git('rev-parse', '--short', 'HEAD') + (changed === '' ? '' : '+');
  } catch {
    return '';
  }
}
