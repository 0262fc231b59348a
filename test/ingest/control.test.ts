/** The ingest's control socket beside an engine that does not take what it is told, for a while. */
import { afterEach, expect, test, vi } from 'vitest';
import { Dealer } from 'zeromq';
import { Control } from '../../src/ingest/control.ts';
import type { ControlMessage } from '../../src/wire/control.ts';
import { StandInEngine } from './stand-in-engine.ts';

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  vi.restoreAllMocks();
});

/** A control socket with an engine, and what that heard. */
async function connected(): Promise<{
  readonly control: Control;
  readonly heard: readonly ControlMessage[];
}> {
  const engine = await StandInEngine.open();
  const control = await Control.open({
    endpoint: engine.controlEndpoint,
    bind: false,
    stream: 'main',
    lease: 3n,
    onConnection: () => undefined,
    onUnavailable: () => undefined,
    onOldLease: () => undefined,
    onFault: () => undefined,
  });
  opened.push(control, engine);
  await vi.waitFor(() => expect(control.isConnected).toBe(true));
  return { control, heard: engine.heard };
}

/** The next sends run into their time-out. */
function sendsFail(count: number): () => number {
  let failed = 0;
  const real = Reflect.get(Dealer.prototype, 'send');
  vi.spyOn(Dealer.prototype, 'send').mockImplementation(function (this: Dealer, ...args) {
    if (failed >= count) return Reflect.apply(real, this, args);
    failed += 1;
    return Promise.reject(
      Object.assign(new Error('Operation was not possible or timed out'), { code: 'EAGAIN' }),
    );
  });
  return () => failed;
}

test('what is settled is said again where it was not taken, also if nothing more ever settles', async () => {
  const failed = sendsFail(2);
  const { control, heard } = await connected();
  control.settled(40n);
  await vi.waitFor(() => expect(heard).toHaveLength(1), 5_000);
  expect(heard).toEqual([{ type: 'settled', stream: 'main', upTo: 40n, lease: 3n }]);
  expect(failed()).toBe(2);
});

test('what is newer takes its place, and the asking goes first', async () => {
  const failed = sendsFail(1);
  const { control, heard } = await connected();
  control.settled(40n);
  await vi.waitFor(() => expect(failed()).toBe(1));
  control.settled(41n);
  control.resume(42n);
  await vi.waitFor(() => expect(heard).toHaveLength(2), 5_000);
  expect(heard).toEqual([
    { type: 'resume', stream: 'main', from: 42n, lease: 3n },
    { type: 'settled', stream: 'main', upTo: 41n, lease: 3n },
  ]);
});
