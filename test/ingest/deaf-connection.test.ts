/**
 * A connection that stands and over which nothing gets any more, as where a byte of a frame's length was changed: neither side is
 * told. New connections are as good as ever.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { TcpProxy } from '../chaos/proxy.ts';
import { Rig, simulated } from './rig.ts';

async function proxyTo(target: string): Promise<TcpProxy> {
  const host = '127.0.0.1';
  const to = { host, port: Number(new URL(target).port) };
  const proxy = await TcpProxy.open({ listen: { host, port: 0 }, target: to, seed: 1 });
  rig.owns(proxy);
  return proxy;
}

const endpointOf = ({ address: { host, port } }: TcpProxy): string => `tcp://${host}:${port}`;

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
  await rig.startWorker();
});
afterEach(() => rig.clear());
afterAll(() => rig.stop());

test.each(['engine', 'control', 'both'] as const)(
  'that is deaf (%s) is made anew, and nothing is lost',
  async (which) => {
    const { messages } = simulated({ trades: 40, seed: 7 });
    const stream = rig.stream();
    const publisher = await rig.publisher({ stream, outbox: rig.outbox() });
    const [data, control] = [await proxyTo(publisher.endpoint), await proxyTo(publisher.controlEndpoint)];
    const running = await rig.ingest({
      stream,
      endpoint: endpointOf(data),
      controlEndpoint: endpointOf(control),
    });
    for (const [, body] of messages.slice(0, 40)) await publisher.publish(body);
    await running.untilSettled(40);
    if (which !== 'control') data.deafen();
    if (which !== 'engine') control.deafen();
    for (const [, body] of messages.slice(40, 60)) await publisher.publish(body);
    await running.untilSettled(60);
    // Nothing has to be asked for as long as the data connection is good: what is deaf there shows once it is asked.
    await expect
      .poll(() => [data.counts.connections, control.counts.connections], { timeout: 30_000 })
      .toEqual([2, 2]);
    await expect.poll(() => publisher.status.settledUpTo, { timeout: 10_000 }).toBe(60n);
    expect(running.said('nothing comes of what was asked for')).toHaveLength(1);
    expect(await rig.audit(stream)).toMatchObject({ ok: true, counts: { events: 60 } });
  },
);

test('to the control socket that is deaf, where no new one can be made, is told of', async () => {
  const { messages } = simulated({ trades: 10, seed: 7 });
  const stream = rig.stream();
  const publisher = await rig.publisher({ stream, outbox: rig.outbox() });
  const control = await proxyTo(publisher.controlEndpoint);
  const running = await rig.ingest({
    stream,
    endpoint: publisher.endpoint,
    controlEndpoint: endpointOf(control),
  });
  for (const [, body] of messages.slice(0, 10)) await publisher.publish(body);
  await running.untilSettled(10);
  control.deafen();
  control.shut();
  await expect
    .poll(() => running.said('no engine answers at the control address').length, { timeout: 45_000 })
    .toBeGreaterThan(0);
  expect(running.said('nothing comes of what was asked for').length).toBeGreaterThan(0);
});
