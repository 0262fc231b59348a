/**
 * A stack for a test or a demonstration: a home of its own in the system's temporary folder, free ports, and an end
 * that comes with this process, whatever becomes of that.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/index.ts';
import type { StartStackOptions } from './options.ts';
import { type RunningStack, startStack } from './start.ts';

/** What may be chosen of a temporary stack. */
export type TemporaryStackOptions = Omit<StartStackOptions, 'attached'>;

/**
 * Starts a temporary stack. `stop()` also removes its home; if this process is killed a watchdog does.
 * @param options of `settings` home and ports are replaced
 */
export async function startTemporaryStack(options: TemporaryStackOptions): Promise<RunningStack> {
  const home = mkdtempSync(join(realpathSync(tmpdir()), 'settled-stack-'));
  const remove = () => rmSync(home, { recursive: true, force: true });
  const settings: Config['stack'] = { ...options.settings, home, ports: 'free' };
  try {
    const stack = await startStack({ ...options, settings, attached: 'remove' });
    return {
      ...stack,
      stop: async () => {
        await stack.stop({ wipe: true });
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}
