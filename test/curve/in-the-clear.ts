/** Peers that speak in the clear, for the tests of those that refuse them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Socket } from 'zeromq';

const WAIT_MS_MAX = 60_000;
const EACH_MS_MAX = 1_000;
const POLL_MS = 20;

/**
 * Connects one after another until one of them is told of. The first may not be: at an answer in CURVE ZeroMQ hangs up for
 * good, and where it reads all of the answer at once it does so before it has said how it speaks itself, so that the other
 * side sees a connection that ended and no more.
 *
 * @throws Error if none is told of within a minute
 */
export async function knockInTheClear(
  endpoint: string,
  knock: () => Socket,
  isTold: () => boolean,
): Promise<void> {
  const deadline = performance.now() + WAIT_MS_MAX;
  while (performance.now() < deadline) {
    const socket = knock();
    socket.connect(endpoint);
    try {
      const next = performance.now() + EACH_MS_MAX;
      while (performance.now() < next) {
        if (isTold()) return;
        await sleep(POLL_MS);
      }
    } finally {
      socket.close();
    }
  }
  throw new Error(`nobody who speaks in the clear was told of within ${WAIT_MS_MAX / 1000} s`);
}
