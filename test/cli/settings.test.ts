/** `settled settings` and `settled --version` as a user runs them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { settings } from '../../src/config/index.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/settled.mjs', import.meta.url));
const PASSWORD = 'planted-secret-4711';

const settled = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  execa(process.execPath, [PROGRAM, ...args], { reject: false, timeout: 60_000, env });

it('shows every setting with its value here and its default, and no secret', async () => {
  const env = { SETTLED_STREAM: 'spot', SETTLED_CASSANDRA_PASSWORD: PASSWORD };
  const text = await settled(['settings'], { ...env, SETTLED_CASSANDRA_USERNAME: 'settler' });
  expect(text.exitCode, text.stderr).toBe(0);
  for (const { variable, description } of settings) {
    expect(text.stdout).toContain(`${variable}=`);
    expect(text.stdout).toContain(description);
  }
  expect(text.stdout).toContain('SETTLED_STREAM=spot   (default main)');
  expect(text.stdout).toContain('SETTLED_CASSANDRA_PASSWORD=[redacted]');
  expect(text.stdout).not.toContain(PASSWORD);

  expect(text.stdout).toContain('SETTLED_CASSANDRA_TLS=false');

  const json = await settled(['settings', '--json'], {
    SETTLED_STREAM: 'spot',
    SETTLED_TEMPORAL_TLS: 'true',
  });
  const listed = (JSON.parse(json.stdout) as { settings: { variable: string }[] }).settings;
  expect(listed.map(({ variable }) => variable)).toEqual(settings.map(({ variable }) => variable));
  expect(listed).toContainEqual(
    expect.objectContaining({ variable: 'SETTLED_STREAM', value: 'spot', default: 'main' }),
  );
  expect(listed).toContainEqual(expect.objectContaining({ variable: 'SETTLED_TEMPORAL_TLS', value: 'true' }));
}, 120_000);

it('names a value that is not allowed, and exits with 1', async () => {
  const { exitCode, stderr } = await settled(['settings'], { SETTLED_STREAM: 'No Such Name' });
  expect(exitCode).toBe(1);
  expect(stderr).toContain('SETTLED_STREAM');
}, 60_000);

it('tells its version', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  expect((await settled(['--version'])).stdout).toBe(version);
}, 60_000);
