/**
 * A connection that stands and over which nothing gets any more, as where a byte of a frame's length was changed: neither side is
 * told. New connections are as good as ever.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Rig, simulated } from './rig.ts';

/** Leads to an endpoint, until the connections that it has fall silent. */
class Gate {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #deaf = new WeakSet<Socket>();
  connections = 0;

  constructor(target: string) {
    const port = Number(new URL(target).port);
    this.#server = createServer((near) => {
      this.connections += 1;
      const far = connect(port, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('data', (data) => {
          if (!this.#deaf.has(from)) to.write(data);
        });
        from.on('error', () => undefined);
        from.once('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
      }
    });
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `tcp://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  deafen(): void {
    for (const socket of this.#sockets) this.#deaf.add(socket);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

let rig: Rig;
let folder = '';
beforeAll(async () => {
  rig = await Rig.start();
  await rig.startWorker();
});
afterEach(async () => {
  await rig.clear();
  rmSync(folder, { recursive: true, force: true });
});
afterAll(() => rig.stop());

test.each(['engine', 'control', 'both'] as const)(
  'that is deaf (%s) is made anew, and nothing is lost',
  async (which) => {
    const { messages } = simulated({ trades: 40, seed: 7 });
    const stream = rig.stream();
    folder = mkdtempSync(join(tmpdir(), 'settled-outbox-'));
    const publisher = await rig.publisher({ stream, outbox: join(folder, 'outbox') });
    const [data, control] = [new Gate(publisher.endpoint), new Gate(publisher.controlEndpoint)];
    rig.owns(data);
    rig.owns(control);
    const running = await rig.ingest({
      stream,
      endpoint: await data.open(),
      controlEndpoint: await control.open(),
    });
    for (const [, body] of messages.slice(0, 40)) await publisher.publish(body);
    await running.untilSettled(40);
    if (which !== 'control') data.deafen();
    if (which !== 'engine') control.deafen();
    for (const [, body] of messages.slice(40, 60)) await publisher.publish(body);
    await running.untilSettled(60);
    // Nothing has to be asked for as long as the data connection is good: what is deaf there shows once it is asked.
    await expect.poll(() => [data.connections, control.connections], { timeout: 30_000 }).toEqual([2, 2]);
    await expect.poll(() => publisher.status.settledUpTo, { timeout: 10_000 }).toBe(60n);
    expect(running.said('nothing comes of what was asked for')).toHaveLength(1);
    expect(await rig.audit(stream)).toMatchObject({ ok: true, counts: { events: 60 } });
  },
);
