/**
 * `npm run sim -- [--seeds N] [--from S] [--jobs J] [--seed S] [--failures N] [--trace] [--json]`: runs seeds and says what struck and
 * what did not hold. Data to stdout, talk to stderr. Exit codes: 0 no violation, 1 a violation, 2 a faulty call, 130
 * interrupted (by SIGINT or SIGTERM: what was run is reported).
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.ts';
import { NODE_FLAGS } from './jobs.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const args = process.argv.slice(2);
const { file, remove } = await bundle(ROOT);
const more = args.includes('--trace') ? ['--enable-source-maps'] : [];
const child = spawn(process.execPath, [...NODE_FLAGS, ...more, file, ...args], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => {
  remove();
  if (signal) process.stderr.write(`the simulation was ended by ${signal}\n`);
  process.exitCode = code ?? 3;
});
