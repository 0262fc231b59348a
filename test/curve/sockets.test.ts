/** CURVE on real sockets: who is on the list gets in, nobody else, and each who does not is counted by name. */
import { Dealer, Pull, Push, Router, type Socket } from 'zeromq';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  type CurveKeys,
  CurvePeersError,
  newCurveKeys,
  RefusedPeers,
  type RefusedPeer,
  secureSocket,
} from '../../src/curve/index.ts';
import { knockInTheClear } from './in-the-clear.ts';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).toReversed()) end();
});

const server = newCurveKeys();
const friend = newCurveKeys();
const stranger = newCurveKeys();
const named = (...keys: CurveKeys[]) => keys.map(({ publicKey }) => ({ key: publicKey, name: '' }));

/** Secures a socket and opens it; returns its endpoint. */
async function opened(
  socket: Socket,
  bind: boolean,
  endpoint: string,
  keys?: CurveKeys,
  peers = named(server),
  onRefused?: (refused: RefusedPeer) => void,
): Promise<string> {
  ends.push(() => {
    socket.close();
  });
  if (keys) await secureSocket(socket, bind, { keys, peers, ...(onRefused ? { onRefused } : {}) });
  if (bind) await socket.bind(endpoint);
  else socket.connect(endpoint);
  return socket.lastEndpoint ?? endpoint;
}

const ANY = 'tcp://127.0.0.1:*';

describe('a PUSH socket with an allow-list', () => {
  it('speaks with who is on it, and only with them', async () => {
    const refused: RefusedPeer[] = [];
    const push = new Push({ linger: 0, immediate: true, sendTimeout: 20_000 });
    const endpoint = await opened(push, true, ANY, server, named(friend), (one) => refused.push(one));
    // A stranger's key, no CURVE at all, and one who takes us for another.
    const strange = new Pull({ linger: 0 });
    await opened(strange, false, endpoint, stranger);
    const isTold = () => refused.some(({ kind }) => kind === 'no-curve');
    await knockInTheClear(endpoint, () => new Pull({ linger: 0 }), isTold);
    const mistaken = new Pull({ linger: 0, reconnectInterval: 60_000 });
    await opened(mistaken, false, endpoint, friend, named(stranger));
    await vi.waitFor(() => expect(new Set(refused.map(({ kind }) => kind)).size).toBe(3), 10_000);
    expect(refused.find(({ kind }) => kind === 'unknown-key')).toEqual({
      kind: 'unknown-key',
      key: stranger.publicKey,
      address: '127.0.0.1',
    });
    expect(refused.map(({ kind }) => kind)).toContain('no-curve');
    expect(refused.map(({ kind }) => kind)).toContain('handshake');
    const pull = new Pull({ linger: 0, receiveTimeout: 20_000 });
    await opened(pull, false, endpoint, friend);
    for (let count = 0; count < 50; count += 1) await push.send(['settlement', `${count}`]);
    for (let count = 0; count < 50; count += 1)
      expect((await pull.receive()).map(String)).toEqual(['settlement', `${count}`]);
    expect(pull.securityMechanism).toBe('curve');
  }, 60_000);

  it('sends nothing in the clear', async () => {
    const { createServer, connect } = await import('node:net');
    const push = new Push({ linger: 0, immediate: true, sendTimeout: 20_000 });
    const endpoint = await opened(push, true, ANY, server, named(friend));
    const seen: Buffer[] = [];
    const wire = createServer((socket) => {
      const on = connect(Number(endpoint.split(':').at(-1)), '127.0.0.1');
      for (const [from, to] of [
        [socket, on],
        [on, socket],
      ] as const)
        from
          .on('data', (data: Buffer) => {
            seen.push(data);
            to.write(data);
          })
          .on('error', () => undefined)
          .on('close', () => to.destroy());
    });
    await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', resolve));
    ends.push(() => wire.close());
    const pull = new Pull({ linger: 0, receiveTimeout: 20_000 });
    const { port } = wire.address() as { port: number };
    await opened(pull, false, `tcp://127.0.0.1:${port}`, friend);
    const text = 'a message that nobody else may read';
    await push.send(['settlement', text]);
    expect((await pull.receive()).map(String)).toEqual(['settlement', text]);
    expect(Buffer.concat(seen).length).toBeGreaterThan(text.length);
    expect(Buffer.concat(seen).includes('nobody else')).toBe(false);
  }, 60_000);
});

describe('ROUTER and DEALER', () => {
  it('know each other by their keys, in both directions of asking', async () => {
    const router = new Router({ linger: 0 });
    const endpoint = await opened(router, true, ANY, server, named(friend));
    const dealer = new Dealer({ linger: 0, receiveTimeout: 20_000 });
    await opened(dealer, false, endpoint, friend);
    await dealer.send('resume');
    const [peer, question] = await router.receive();
    expect(question?.toString()).toBe('resume');
    await router.send([peer!, 'messages']);
    expect((await dealer.receive()).map(String)).toEqual(['messages']);
  }, 60_000);
});

describe('two sockets of one process with lists of their own', () => {
  it('do not let in who is on the other list', async () => {
    const refused: RefusedPeer[] = [];
    const first = new Push({ linger: 0, immediate: true, sendTimeout: 10_000 });
    const firstEndpoint = await opened(first, true, ANY, server, named(friend), (one) => refused.push(one));
    const second = new Push({ linger: 0, immediate: true, sendTimeout: 10_000 });
    const secondEndpoint = await opened(second, true, ANY, server, named(stranger));
    const wrong = new Pull({ linger: 0 });
    await opened(wrong, false, firstEndpoint, stranger);
    await vi.waitFor(() => expect(refused[0]?.key).toBe(stranger.publicKey), 10_000);
    const right = new Pull({ linger: 0, receiveTimeout: 10_000 });
    await opened(right, false, secondEndpoint, stranger);
    await second.send('hello');
    expect((await right.receive()).map(String)).toEqual(['hello']);
  }, 60_000);
});

describe('a socket that was opened for CURVE', () => {
  it('lets nobody in who can not be asked about', async () => {
    const push = new Push({ linger: 0, immediate: true, sendTimeout: 500 });
    ends.push(() => {
      push.close();
    });
    await secureSocket(push, true, { keys: server, peers: named(friend) });
    // As if its list were gone: the handler knows nothing of this domain.
    push.zapDomain = 'another';
    await push.bind(ANY);
    const pull = new Pull({ linger: 0 });
    await opened(pull, false, push.lastEndpoint!, friend);
    await expect(push.send('nobody may have this')).rejects.toThrow(/not possible or timed out/);
  }, 60_000);

  it('lets nobody in where there is no handler at all', async () => {
    const push = new Push({ linger: 0, immediate: true, sendTimeout: 500 });
    ends.push(() => {
      push.close();
    });
    const { publicKey, secretKey } = server;
    Object.assign(push, { curvePublicKey: publicKey, curveSecretKey: secretKey.reveal(), curveServer: true });
    Object.assign(push, { zapDomain: 'settled', zapEnforceDomain: true });
    await push.bind(ANY);
    const pull = new Pull({ linger: 0 });
    await opened(pull, false, push.lastEndpoint!, friend);
    await expect(push.send('nobody may have this')).rejects.toThrow(/not possible or timed out/);
  }, 60_000);

  it('says so where the process has another ZAP handler', async () => {
    const other = new Router({ linger: 0 });
    await vi.waitFor(() => other.bind('inproc://zeromq.zap.01'), 5_000);
    const push = new Push();
    try {
      await expect(secureSocket(push, true, { keys: server, peers: named(friend) })).rejects.toThrow(
        'another ZAP handler',
      );
    } finally {
      push.close();
      other.close();
    }
    await opened(new Push({ linger: 0 }), true, ANY, server, named(friend));
  }, 30_000);

  it('needs exactly one key where it connects', async () => {
    const pull = new Pull();
    ends.push(() => {
      pull.close();
    });
    for (const peers of [[], named(server, friend)])
      await expect(secureSocket(pull, false, { keys: friend, peers })).rejects.toThrow(CurvePeersError);
  });
});

describe('the count of refused peers', () => {
  it('counts each, tells of each kind and key once in a while, and stays small', () => {
    const told: [RefusedPeer, number][] = [];
    const peers = new RefusedPeers((one, total) => told.push([one, total]));
    const one: RefusedPeer = { kind: 'unknown-key', key: 'k', address: 'a' };
    for (let count = 0; count < 100; count += 1) peers.note(one);
    peers.note({ kind: 'no-curve', address: 'a' });
    for (let count = 0; count < 5_000; count += 1) peers.note({ ...one, key: `${count}` });
    expect(peers.counts).toEqual({ 'unknown-key': 5_100, 'no-curve': 1 });
    expect(peers.total).toBe(5_101);
    expect(told.slice(0, 2)).toEqual([
      [one, 1],
      [{ kind: 'no-curve', address: 'a' }, 101],
    ]);
  });
});
