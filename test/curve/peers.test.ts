/** Who knocks and speaks no ZeroMQ is no peer, and takes none away; nor does one who is refused. */
import { connect } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Pull, Push } from 'zeromq';
import { newCurveKeys, secureSocket } from '../../src/curve/index.ts';
import { watchPeers } from '../../src/curve/peers.ts';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).toReversed()) end();
});

/** What a port scan sends. The first is the length of a frame in ZeroMQ's oldest protocol. */
const KNOCKS = [Buffer.from([0]), Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), Buffer.alloc(0)];

/** Connects, says that, and hangs up. */
function knock(endpoint: string, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(endpoint).port), '127.0.0.1', () => socket.end(bytes));
    socket.setTimeout(1_000, () => socket.destroy());
    socket
      .on('error', () => undefined)
      .on('close', () => {
        resolve();
      });
    socket.resume();
  });
}

describe.each([
  ['in the clear', false],
  ['with CURVE', true],
])('the peers of a bound socket, %s', (_how, isSecure) => {
  it('are those that are there, whoever else knocks', async () => {
    const [ours, theirs, strange] = [newCurveKeys(), newCurveKeys(), newCurveKeys()];
    const named = ({ publicKey: key }: { publicKey: string }) => [{ key, name: '' }];
    const pull = new Pull({ linger: 0 });
    ends.push(() => pull.close());
    let there = 0;
    let gone = 0;
    watchPeers(
      pull,
      () => (there += 1),
      () => (gone += 1),
    );
    let closed = 0;
    pull.events.on('disconnect', () => (closed += 1));
    if (isSecure) await secureSocket(pull, true, { keys: ours, peers: named(theirs) });
    await pull.bind('tcp://127.0.0.1:*');
    const endpoint = pull.lastEndpoint ?? '';
    const connected = async (): Promise<Push> => {
      const push = new Push({ linger: 0 });
      ends.push(() => push.close());
      if (isSecure) await secureSocket(push, false, { keys: theirs, peers: named(ours) });
      push.connect(endpoint);
      return push;
    };
    const first = await connected();
    await vi.waitFor(() => expect(there).toBe(1), 10_000);

    await Promise.all([...KNOCKS, ...KNOCKS].map((bytes) => knock(endpoint, bytes)));
    if (isSecure)
      for (let count = 0; count < 2; count += 1) {
        const refused = new Push({ linger: 0, reconnectInterval: 60_000 });
        ends.push(() => refused.close());
        await secureSocket(refused, false, { keys: strange, peers: named(ours) });
        refused.connect(endpoint);
      }
    await vi.waitFor(() => expect(closed).toBe(isSecure ? 8 : 6), 10_000);
    expect({ there, gone }).toEqual({ there: 1, gone: 0 });

    // Beside a stranger that stays, a peer's end is not known for one; it comes again all the same.
    const staying = connect(Number(new URL(endpoint).port), '127.0.0.1');
    ends.push(() => staying.destroy());
    await new Promise((resolve) => staying.once('connect', resolve));
    first.close();
    await vi.waitFor(() => expect(closed).toBe(isSecure ? 9 : 7), 10_000);
    const second = await connected();
    await vi.waitFor(() => expect(there).toBe(2), 10_000);
    staying.destroy();
    await vi.waitFor(() => expect(closed).toBe(isSecure ? 10 : 8), 10_000);
    const before = gone;
    expect(before).toBeLessThanOrEqual(1);

    second.close();
    await vi.waitFor(() => expect(gone).toBe(before + 1), 10_000);
    expect({ there, gone }).toEqual({ there: 2, gone: 2 });
  }, 60_000);
});
