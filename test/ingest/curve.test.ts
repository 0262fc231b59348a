/**
 * The whole way with CURVE on both sockets: an engine and an ingest that know each other settle a stream, whoever is not on
 * the list gets nothing and is counted, and no secret key is printed by anybody.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Dealer, Pull, Push } from 'zeromq';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Child } from '../../src/cli/demo/child.ts';
import {
  newCurveKeys,
  secureSocket,
  writeCurveKeys,
  type CurveKeys,
  type RefusedKind,
} from '../../src/curve/index.ts';
import type { IngestEnding } from '../../src/ingest/ingest.ts';
import { encodeControl } from '../../src/wire/control.ts';
import { knockInTheClear } from '../curve/in-the-clear.ts';
import { Rig, simulated, until } from './rig.ts';
import { StandInEngine } from './stand-in-engine.ts';

let rig: Rig;
const folder = mkdtempSync(join(tmpdir(), 'settled-curve-'));
const children: Child[] = [];
const sockets: { close(): void }[] = [];
const [engineKeys, ingestKeys, strangerKeys] = [newCurveKeys(), newCurveKeys(), newCurveKeys()];
const files = {
  engine: writeCurveKeys(join(folder, 'engine'), 'engine', engineKeys),
  ingest: writeCurveKeys(join(folder, 'ingest'), 'ingest', ingestKeys),
};
const peers = (...keys: CurveKeys[]) => keys.map(({ publicKey }) => ({ key: publicKey, name: '' }));

beforeAll(async () => {
  rig = await Rig.start();
  await rig.startWorker();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  for (const child of children.splice(0)) {
    child.kill();
    await child.ended;
  }
  await rig.clear();
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await rig.stop();
});

type Told = { readonly type: string; readonly [field: string]: unknown };

function start(name: string, args: string[], env: NodeJS.ProcessEnv): { child: Child; told: Told[] } {
  const told: Told[] = [];
  const child = new Child({
    args,
    env,
    logPath: join(folder, `${name}.log`),
    onMessage: (message) => told.push(message),
  });
  children.push(child);
  return { child, told };
}

/** Anybody's PULL or DEALER socket, connected. */
async function intruder<T extends Pull | Dealer>(socket: T, endpoint: string, keys?: CurveKeys): Promise<T> {
  sockets.push(socket);
  if (keys) await secureSocket(socket, false, { keys, peers: peers(engineKeys) });
  socket.connect(endpoint);
  return socket;
}

describe('an engine and an ingest with CURVE', () => {
  test('settle a stream as processes; strangers get nothing and are named; no secret is printed', async () => {
    const stream = rig.stream();
    const env = {
      ...rig.env(stream),
      SETTLED_HOME: join(folder, 'home'),
      SETTLED_LOG_LEVEL: 'trace',
      SETTLED_INGEST_CURVE_SECRET_KEY_PATH: files.ingest.secretPath,
      SETTLED_INGEST_CURVE_PEER_KEYS_PATH: files.engine.publicPath,
    };
    const engine = start(
      'engine',
      (
        'simulate --endpoint tcp://127.0.0.1:0 --control tcp://127.0.0.1:0 --trades 60 ' +
        `--curve-secret-key ${files.engine.secretPath} --curve-peer-keys ${files.ingest.publicPath}`
      ).split(' '),
      env,
    );
    await until('the engine listens', () => engine.told.some(({ type }) => type === 'listening'));
    const { endpoint, controlEndpoint } = engine.told.find(({ type }) => type === 'listening') as unknown as {
      endpoint: string;
      controlEndpoint: string;
    };
    const strange = await intruder(new Pull({ linger: 0 }), endpoint, strangerKeys);
    const liar = await intruder(new Dealer({ linger: 0 }), controlEndpoint);
    // Told by one who is not on the list, that all is settled: it must not come through.
    await liar.send(encodeControl({ type: 'settled', stream, upTo: 50n, lease: 99n }));
    let taken = 0;
    const listening = <T extends Pull>(socket: T): T => {
      void socket.receive().then(
        () => (taken += 1),
        () => 0,
      );
      return socket;
    };
    listening(strange);
    // The whole log, not its tail: each is told of once, and at this level much is told after it.
    const isTold = (what: string) => () => readFileSync(engine.child.logPath, 'utf8').includes(what);
    await until('strangers are named', isTold(strangerKeys.publicKey));
    await knockInTheClear(endpoint, () => listening(new Pull({ linger: 0 })), isTold('(no-curve,'));
    const ingest = start(
      'ingest',
      ['ingest', '--endpoint', endpoint, '--control', controlEndpoint, '--json'],
      env,
    );
    const { code } = await engine.child.ended;
    expect(code, engine.child.logTail + ingest.child.logTail).toBe(0);
    const { code: ingestCode, stdout } = await ingest.child.stop();
    expect(ingestCode, ingest.child.logTail).toBe(0);
    const ending = JSON.parse(stdout) as IngestEnding;
    expect(ending.unsettled).toBe(0);
    expect(await rig.audit(stream)).toMatchObject({ ok: true, counts: { trades: 60 } });
    expect(taken).toBe(0);
    const printed = ['engine', 'ingest']
      .map((name) => readFileSync(join(folder, `${name}.log`), 'utf8'))
      .join();
    expect(printed).toMatch(/peer was refused \(unknown-key, \d+ in all\)/);
    expect(printed).toMatch(/peer was refused \(no-curve, \d+ in all\)/);
    for (const { secretKey } of [engineKeys, ingestKeys]) {
      expect(printed).not.toContain(secretKey.reveal());
      expect(stdout).not.toContain(secretKey.reveal());
    }
  }, 90_000);

  test('where the ingest binds, it lets in its engine only, and counts the rest', async () => {
    const { messages, oracle } = simulated({ trades: 20 });
    const stream = rig.stream();
    const probe = await StandInEngine.open();
    const addresses = { endpoint: probe.endpoint, controlEndpoint: probe.controlEndpoint };
    await probe.close();
    const curve = { keys: ingestKeys, peers: peers(engineKeys) };
    const running = await rig.ingest({ stream, ...addresses, bind: true, curve });
    const open = (name: string, keys?: CurveKeys) =>
      rig.publisher({
        stream,
        outbox: join(folder, name),
        connect: true,
        ...addresses,
        ...(keys ? { curve: { keys, peers: peers(ingestKeys) } } : {}),
      });
    const strange = await open('strange', strangerKeys);
    await strange.publish(messages[0]![1]);
    const isRefused = (kind: RefusedKind) => () => running.ingest.progress.refusedPeers[kind] !== undefined;
    await until('the stranger is refused', isRefused('unknown-key'));
    const plain = await open('plain');
    await plain.publish(messages[0]![1]);
    await knockInTheClear(addresses.endpoint, () => new Push({ linger: 0 }), isRefused('no-curve'));
    expect(running.ingest.progress.refusedPeers).toMatchObject({
      'unknown-key': expect.any(Number) as number,
      'no-curve': expect.any(Number) as number,
    });
    expect(running.ingest.progress.messages).toBe(0);
    expect(running.said('peer refused')[0]?.fields['key']).toBe(strangerKeys.publicKey);
    const engine = await open('engine', engineKeys);
    await Promise.all(messages.map(([, data]) => engine.publish(data)));
    await running.untilSettled(messages.length);
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true });
  }, 60_000);

  test('an ingest that the engine does not know says so, and gets in when the engine knows it', async () => {
    const { messages, oracle } = simulated({ trades: 20 });
    const stream = rig.stream();
    const outbox = join(folder, 'later');
    const before = await rig.publisher({
      stream,
      outbox,
      curve: { keys: engineKeys, peers: peers(strangerKeys) },
    });
    await Promise.all(messages.map(([, data]) => before.publish(data)));
    const addresses = { endpoint: before.endpoint, controlEndpoint: before.controlEndpoint };
    const curve = { keys: ingestKeys, peers: peers(engineKeys) };
    const running = await rig.ingest({ stream, ...addresses, curve });
    await until('it is told', () => running.said('the engine does not let us in').length > 0);
    await sleep(1_500);
    expect(running.said('the engine does not let us in')).toHaveLength(1);
    expect(before.status.peersRefused).toBeGreaterThan(1);
    expect(running.ingest.progress.messages).toBe(0);
    await before.close();
    await rig.publisher({
      stream,
      outbox,
      ...addresses,
      curve: { keys: engineKeys, peers: peers(strangerKeys, ingestKeys) },
    });
    await running.untilSettled(messages.length);
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true });
  }, 60_000);

  test('a key file that others may read stops the start, with what mends it', async () => {
    const open = writeCurveKeys(join(folder, 'open'), 'open', newCurveKeys());
    chmodSync(open.secretPath, 0o644);
    const { child } = start('open', ['ingest'], {
      ...rig.env(rig.stream()),
      SETTLED_INGEST_CURVE_SECRET_KEY_PATH: open.secretPath,
      SETTLED_INGEST_CURVE_PEER_KEYS_PATH: files.engine.publicPath,
    });
    expect((await child.ended).code).toBe(1);
    expect(child.logTail).toContain(`chmod 600 ${open.secretPath}`);
  }, 60_000);
});
