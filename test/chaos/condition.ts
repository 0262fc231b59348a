/** How a process is, as the system sees it. */
import { readFileSync } from 'node:fs';

/** In words: whether it runs, is stopped, or is gone. */
export function conditionOf(pid: number | undefined): string {
  if (pid === undefined) return 'does not run';
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return `process ${pid}`;
  }
  const letter = stat.charAt(stat.lastIndexOf(')') + 2);
  return `process ${pid}, ${{ T: 'stopped', Z: 'ended' }[letter] ?? 'runs'} (${letter})`;
}
