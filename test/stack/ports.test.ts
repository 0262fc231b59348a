/** Ports that servers had before. */
import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { STACK_HOST } from '../../src/config/index.ts';
import { isPortFreeSoon, pickFreePort } from '../../src/stack/ports.ts';

let listening: Server | undefined;
afterEach(() => listening?.close());

async function taken(): Promise<number> {
  const port = await pickFreePort();
  listening = createServer();
  await new Promise<void>((resolve) => listening!.listen(port, STACK_HOST, resolve));
  return port;
}

test('a port that a process is about to give back is waited for', async () => {
  const port = await taken();
  setTimeout(() => listening?.close(), 200);
  expect(await isPortFreeSoon(port, 10_000)).toBe(true);
});

test('one that stays taken is waited for as long as was said', async () => {
  const port = await taken();
  const startedMs = performance.now();
  expect(await isPortFreeSoon(port, 300)).toBe(false);
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(300);
});
