/**
 * A Python of the tests' own: a virtual environment with what the example needs, built once a machine into the user's
 * cache. Its wheels come from the registry that pip is configured for.
 */
import { execa } from 'execa';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/config/index.ts';
import { builtOnce } from '../../src/stack/built-once.ts';

const REQUIREMENTS = fileURLToPath(new URL('../../examples/python-engine/requirements.txt', import.meta.url));
const INSTALL_MS_MAX = 180_000;

/** Why there is none: `python3` with `venv` is not on this machine. */
export interface NoPython {
  readonly missing: string;
}

/**
 * The program of the environment.
 *
 * @throws Error with pip's words if the packages cannot be installed: that is a failure, not a reason to pass over a test
 */
export async function python(): Promise<{ readonly program: string } | NoPython> {
  const probe = await execa('python3', ['-c', 'import sys, venv, ensurepip; print(sys.version_info[:2])'], {
    reject: false,
  });
  if (probe.failed) return { missing: `python3 with venv: ${probe.stderr || probe.message}` };
  const { cacheDir } = loadConfig(process.env).stack;
  const folder = await builtOnce({
    cacheDir,
    name: 'python-engine',
    inputs: [REQUIREMENTS],
    signal: undefined,
    onWait: () => undefined,
    build: async (to) => {
      await execa('python3', ['-m', 'venv', to]);
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS];
      await execa(join(to, 'bin', 'python'), pip, { timeout: INSTALL_MS_MAX });
      writeFileSync(join(to, 'python-version'), `${probe.stdout}\n`);
    },
  });
  return { program: join(folder, 'bin', 'python') };
}
