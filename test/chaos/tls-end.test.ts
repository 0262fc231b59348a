/** TLS over the proxy: what is sent arrives, and a byte that is changed on the way never does. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TcpProxy } from './proxy.ts';
import { makeCertificate, TlsEnd, type Certificate } from './tls-end.ts';

const LOOPBACK = '127.0.0.1';
const folder = mkdtempSync(join(tmpdir(), 'settled-tls-'));
const received: Buffer[] = [];
let certificate: Certificate;
let server: Server;
let end: TlsEnd;
let proxy: TcpProxy;

beforeAll(async () => {
  certificate = await makeCertificate(folder, [LOOPBACK]);
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (piece: Buffer) => {
      received.push(piece);
      socket.write('thanks');
    });
  });
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  end = await TlsEnd.open(certificate, { host: LOOPBACK, port: (server.address() as AddressInfo).port });
  proxy = await TcpProxy.open({ listen: { host: LOOPBACK, port: 0 }, target: end.address, seed: 1 });
});

afterAll(async () => {
  await proxy.close();
  await end.close();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

async function secured(): Promise<TLSSocket> {
  const ca = readFileSync(certificate.caPath);
  const socket = connect({ ...proxy.address, ca, ALPNProtocols: ['h2'] });
  await once(socket, 'secureConnect');
  socket.on('error', () => undefined);
  return socket;
}

test('what is sent in TLS arrives plainly, and is answered', async () => {
  const socket = await secured();
  expect([socket.authorized, socket.alpnProtocol]).toEqual([true, 'h2']);
  socket.write('hello');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString()).toBe('thanks');
  expect(Buffer.concat(received.splice(0)).toString()).toBe('hello');
  socket.destroy();
});

test('a changed byte ends the connection, and nothing of its record arrives', async () => {
  const socket = await secured();
  proxy.weather = { kind: 'corrupt', everyBytes: 20, mask: 0xff };
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(Buffer.alloc(1_000, 'x'));
  await closed;
  proxy.weather = { kind: 'fair' };
  expect(received).toEqual([]);
  expect(proxy.counts.corruptedBytes).toBeGreaterThan(0);
});
