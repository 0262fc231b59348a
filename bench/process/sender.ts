/**
 * The engine's end of the wire, as a process that does nothing but send: a segment's frames, as fast as they are taken or
 * at a steady rate. Its socket has the options of src/publisher, without that one's bookkeeping.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { Push } from 'zeromq';
import { readSegment, TOPIC_FRAME } from '../stream/segment.ts';
import { serve } from './serve.ts';

/** Sends between two returns to the event loop. */
const BURST = 256;
const LINGER_MS = 5_000;

const socket = new Push({ sendHighWaterMark: 1_000, linger: LINGER_MS, immediate: true });
await socket.bind('tcp://127.0.0.1:*');

async function send({ path }: { path: string }): Promise<{ messages: number }> {
  let messages = 0;
  for (const frame of readSegment(path)) {
    await socket.send([TOPIC_FRAME, frame]);
    messages += 1;
    if (messages % BURST === 0) await setImmediate();
  }
  return { messages };
}

serve({ endpoint: () => socket.lastEndpoint, send }, async () => {
  socket.close();
  await sleep(0);
});
