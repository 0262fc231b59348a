/**
 * Stops what a home's stack has running, by identity, and removes its data if asked to.
 */
import { readStackState, writeStackState } from '../config/index.ts';
import { existsSync } from 'node:fs';
import { homePaths, removeEmptyHome, SERVERS, type ServerName, wipeHome } from './home.ts';
import { withLock } from './lock.ts';
import { type Progress, silentProgress } from './progress.ts';
import { type StopEnding, stopProcess } from './server-process.ts';

const GRACE_MS: Readonly<Record<ServerName, number>> = { temporal: 15_000, cassandra: 30_000 };

/** How to stop. */
export interface StopOptions {
  /** Also remove data and logs. */
  readonly wipe?: boolean;
  readonly progress?: Progress;
}

/** How each server ended, and whether the data are gone. */
export interface StopResult {
  readonly servers: Readonly<Partial<Record<ServerName, StopEnding>>>;
  readonly wiped: boolean;
}

const ENDINGS: Readonly<Record<StopEnding, string>> = {
  'was-not-running': 'was not running any more',
  stopped: 'stopped',
  killed: 'did not stop when asked, killed',
};

/**
 * Stops both servers of a home. Stopping what is not up is fine.
 * @throws {StackError} when one can't be stopped
 */
export async function stopStack(
  home: string,
  { wipe = false, progress = silentProgress }: StopOptions = {},
): Promise<StopResult> {
  if (!existsSync(home)) return { servers: {}, wiped: false };
  const onWait = (owner: { pid: number }) =>
    progress.note(`Waiting for another settled (process ${owner.pid})`);
  const result = await withLock(homePaths(home).lock, { onWait }, async () => {
    const state = readStackState(home);
    const endings = await Promise.all(
      SERVERS.map(async (name) => {
        const server = state[name];
        if (server === undefined) return {};
        const step = progress.step(name === 'temporal' ? 'Temporal' : 'Cassandra');
        step.update('stopping');
        const ending = await stopProcess(server, GRACE_MS[name]);
        step.done(ENDINGS[ending]);
        return { [name]: ending };
      }),
    );
    if (existsSync(homePaths(home).state)) writeStackState(home, { format: 1 });
    if (wipe) wipeHome(home);
    return { servers: Object.assign({}, ...endings) as StopResult['servers'], wiped: wipe };
  });
  if (wipe) removeEmptyHome(home);
  return result;
}
