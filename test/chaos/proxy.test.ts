/** The proxy by itself, between real sockets: what it does to the bytes, and that it does nothing else. */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { TcpProxy } from './proxy.ts';

const LOOPBACK = '127.0.0.1';
let server: Server;
let proxy: TcpProxy;
const clients: Socket[] = [];

/** A server that sends back what it gets, behind a proxy. */
async function echoBehindProxy(): Promise<void> {
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  proxy = await TcpProxy.open({
    listen: { host: LOOPBACK, port: 0 },
    target: { host: LOOPBACK, port },
    seed: 1,
  });
}

async function client(): Promise<Socket> {
  const socket = connect(proxy.address);
  clients.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Resolves when the socket is closed, by an error or not. */
function closing(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve));
}

/** Reads exactly so many bytes. */
async function read(socket: Socket, bytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of socket.iterator({ destroyOnReturn: false })) {
    pieces.push(piece as Buffer);
    length += (piece as Buffer).length;
    if (length >= bytes) break;
  }
  return Buffer.concat(pieces);
}

const pattern = (bytes: number): Buffer =>
  Buffer.from(Array.from({ length: bytes }, (_, index) => (index * 31) & 0xff));

afterEach(async () => {
  for (const socket of clients.splice(0)) socket.destroy();
  await proxy.close();
  await new Promise((resolve) => server.close(resolve));
});

describe('a proxy', () => {
  test('hands on megabytes unchanged, and ends when either side ends', async () => {
    await echoBehindProxy();
    const socket = await client();
    const sent = pattern(8 * 1024 * 1024);
    socket.write(sent);
    expect((await read(socket, sent.length)).equals(sent)).toBe(true);
    expect(proxy.counts.bytes).toBe(2 * sent.length);
    socket.end();
    await closing(socket);
  });

  test('delays each piece within its bounds, both ways, and keeps the order', async () => {
    await echoBehindProxy();
    const socket = await client();
    proxy.weather = { kind: 'delay', msMin: 50, msMax: 150 };
    const startMs = performance.now();
    for (let at = 0; at < 20; at += 1) {
      socket.write(Buffer.from([at]));
      await sleep(5);
    }
    const got = await read(socket, 20);
    expect([...got]).toEqual(Array.from({ length: 20 }, (_, index) => index));
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(100);
    expect(proxy.counts.delayedPieces).toBeGreaterThan(2);
  });

  test('keeps the order when a delay ends while pieces are held', async () => {
    await echoBehindProxy();
    const socket = await client();
    proxy.weather = { kind: 'delay', msMin: 200, msMax: 200 };
    socket.write('a');
    await sleep(20);
    proxy.weather = { kind: 'fair' };
    socket.write('b');
    expect((await read(socket, 2)).toString()).toBe('ab');
  });

  test('holds back a sender while more than a megabyte is held, and loses none of it', async () => {
    await echoBehindProxy();
    const socket = await client();
    proxy.weather = { kind: 'delay', msMin: 300, msMax: 300 };
    const sent = pattern(6 * 1024 * 1024);
    socket.write(sent);
    await sleep(150);
    expect(proxy.counts.bytes).toBeLessThan(3 * 1024 * 1024);
    proxy.weather = { kind: 'fair' };
    expect((await read(socket, sent.length)).equals(sent)).toBe(true);
  });

  test('cuts what is connected, refuses what comes, and is passable again afterwards', async () => {
    await echoBehindProxy();
    const socket = await client();
    socket.write('a');
    await read(socket, 1);
    const closed = closing(socket);
    proxy.weather = { kind: 'cut' };
    await closed;
    const refused = connect(proxy.address);
    refused.on('error', () => undefined);
    await closing(refused);
    expect(proxy.counts.cutConnections).toBe(2);
    proxy.weather = { kind: 'fair' };
    const again = await client();
    again.write('b');
    expect((await read(again, 1)).toString()).toBe('b');
  });

  test('in silence nothing passes, and connections are reset when it ends', async () => {
    await echoBehindProxy();
    const socket = await client();
    let heard = 0;
    socket.on('data', () => (heard += 1));
    proxy.weather = { kind: 'silent' };
    socket.write('lost');
    await sleep(100);
    expect([heard, socket.destroyed, proxy.counts.swallowedPieces]).toEqual([0, false, 1]);
    const closed = closing(socket);
    proxy.weather = { kind: 'fair' };
    await closed;
    expect(heard).toBe(0);
  });

  test('changes about as many bytes as asked for, by bits of the mask alone', async () => {
    await echoBehindProxy();
    const socket = await client();
    proxy.weather = { kind: 'corrupt', everyBytes: 1_000, mask: 0x80 };
    const sent = Buffer.alloc(200_000, 'x');
    socket.write(sent);
    const got = await read(socket, sent.length);
    const changed = got.filter((byte) => byte !== 0x78);
    // A byte that is changed on both ways is as it was.
    expect(changed.length).toBeGreaterThan(250);
    expect(changed.length).toBeLessThanOrEqual(proxy.counts.corruptedBytes);
    expect(proxy.counts.corruptedBytes).toBeLessThan(700);
    expect(new Set(changed)).toEqual(new Set([0xf8]));
  });
});
