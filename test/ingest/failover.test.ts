/**
 * Two ingests of one stream, as real processes: one feeds it, the other stands by and takes over when the first is
 * killed, held up, or ended. Never two at once, nothing lost, nothing twice.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Child } from '../../src/cli/demo/child.ts';
import type { IngestEnding, IngestProgress } from '../../src/ingest/ingest.ts';
import { readLease, takeLease } from '../../src/ledger/leases.ts';
import { Rig, simulated, until } from './rig.ts';

let rig: Rig;
const folder = mkdtempSync(join(tmpdir(), 'settled-test-'));
const children: Process[] = [];

beforeAll(async () => {
  rig = await Rig.start();
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.resume();
    child.kill();
    await child.ended;
  }
  await rig.clear();
  await rig.stopWorker();
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await rig.stop();
});

const LEASE_MS = 4_000;
const PROGRAM = fileURLToPath(new URL('../../bin/settled.mjs', import.meta.url));
const FAILING_OPENING = fileURLToPath(new URL('failing-opening.mjs', import.meta.url));

/** How a process is started, beside its flags. */
interface Given {
  readonly flags?: readonly string[];
  /** So many times the database fails while the stream is being opened. */
  readonly openingsFailed?: number;
  readonly leaseMs?: number;
}

/** An ingest of its own process, and what it told. */
class Process extends Child {
  readonly told: { type: string; progress?: IngestProgress; ending?: IngestEnding; lease?: string }[];

  constructor(name: string, stream: string, endpoint: string, given: Given = {}) {
    const told: Process['told'] = [];
    const { flags = [], openingsFailed = 0, leaseMs = LEASE_MS } = given;
    super({
      args: ['ingest', '--endpoint', endpoint, '--json', ...flags],
      env: {
        ...rig.env(stream),
        SETTLED_INGEST_LEASE_MS: `${leaseMs}`,
        SETTLED_TEST_OPENINGS_FAILED: `${openingsFailed}`,
      },
      execArgv: openingsFailed > 0 ? ['--import', FAILING_OPENING] : [],
      logPath: join(folder, `${stream}-${name}.log`),
      onMessage: (message) => told.push(message),
    });
    this.told = told;
    children.push(this);
  }

  count(type: string): number {
    return this.told.filter((message) => message.type === type).length;
  }

  async until(type: string, count = 1): Promise<void> {
    await until(
      `${type} is told, in ${this.logPath}`,
      () => this.count(type) >= count || !this.isRunning,
      30_000,
    );
    if (this.count(type) < count) throw new Error(`ended before it told ${type}:\n${this.logTail}`);
  }

  get watermark(): number {
    return Number(this.told.findLast((message) => message.progress)?.progress?.watermark ?? 0);
  }

  get log(): string {
    return readFileSync(this.logPath, 'utf8');
  }

  hold(): void {
    process.kill(this.pid!, 'SIGSTOP');
  }

  resume(): void {
    if (this.isRunning) process.kill(this.pid!, 'SIGCONT');
  }
}

/** Who feeds a stream, as `settled status` says. */
async function feederOf(stream: string): Promise<object | undefined> {
  const { stdout } = await execa(process.execPath, [PROGRAM, 'status', '--json'], {
    env: rig.env(stream),
    reject: false,
  });
  const { streams } = JSON.parse(stdout) as { streams: { stream: string; ingest?: object }[] };
  return streams.find((one) => one.stream === stream)?.ingest;
}

test('one that was killed is missed by the status once its lease has run out', async () => {
  const stream = rig.stream();
  const engine = await rig.engine();
  const only = new Process('only', stream, engine.endpoint);
  await only.until('ready');
  expect(await feederOf(stream)).toMatchObject({ held: true, alive: true });
  only.kill();
  await until('it is missed', async () => {
    const { alive } = (await feederOf(stream)) as { alive: boolean };
    return !alive;
  });
  const { exitCode, stdout } = await execa(process.execPath, [PROGRAM, 'status'], {
    env: rig.env(stream),
    reject: false,
  });
  expect(exitCode).toBe(3);
  // They are not those of "settled up", and are not taken for servers of ours that are down.
  for (const server of ['temporal', 'cassandra'])
    expect(stdout).toMatch(
      new RegExp(`${server} +configured at .*127\\.0\\.0\\.1.*: not one of "settled up"`),
    );
  expect(stdout).toMatch(
    new RegExp(
      `${stream}[^]*lease 1 was not given back by .* pid ${only.pid}, nor renewed for \\d+ s: no ingest runs`,
    ),
  );
}, 60_000);

describe('a second ingest', () => {
  const { messages, oracle } = simulated({ trades: 300 });
  const half = Math.floor(messages.length / 2);

  test('stands by, and settles on when the first is killed', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const first = new Process('first', stream, engine.endpoint);
    await first.until('ready');
    const second = new Process('second', stream, engine.endpoint);
    await second.until('standby');
    expect(second.log).toMatch(/standby: lease 1 is held by .* pid \d+; takes over when it runs out/);
    await rig.send(engine, messages.slice(0, half));
    await until('some is settled', () => first.watermark > 0);
    const holder = `${hostname()} pid ${first.pid}`;
    expect(await feederOf(stream)).toMatchObject({ lease: '1', holder, held: true, alive: true });
    first.kill();
    const killedMs = performance.now();
    await second.until('ready');
    // On the same machine it is seen that the process is gone, before its lease runs out.
    expect(performance.now() - killedMs).toBeLessThan(LEASE_MS);
    await rig.send(engine, messages);
    await until('all is settled', () => second.watermark === messages.length);
    expect((await second.stop()).code, second.logTail).toBe(0);
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true });
  }, 90_000);

  test('takes over from one that is held up, which finds its lease run out when it goes on, and stands by in turn', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    // An engine's socket for each: one that is held up keeps its connection, and its share of what is sent.
    const [engine, other] = [await rig.engine(), await rig.engine()];
    const first = new Process('first', stream, engine.endpoint);
    await first.until('ready');
    const second = new Process('second', stream, other.endpoint);
    await second.until('standby');
    await rig.send(engine, messages.slice(0, half));
    await until('some is settled', () => first.watermark > 0);
    first.hold();
    await second.until('ready');
    // It finds what had been sent to it, and its connections, as if nothing had been.
    first.resume();
    await rig.send(other, messages);
    await first.until('standby');
    expect(first.log).toMatch(/"reason":"lease-expired"/);
    await until('all is settled', () => second.watermark === messages.length);
    expect(first.told.filter((message) => message.type === 'ended')).toEqual([]);
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true });
    // A clean end hands it back at once.
    expect((await second.stop()).code, second.logTail).toBe(0);
    const endedMs = performance.now();
    await first.until('ready', 2);
    expect(performance.now() - endedMs).toBeLessThan(LEASE_MS);
    await until('it is where the other was', () => first.watermark === messages.length);
    expect((await first.stop()).code, first.logTail).toBe(0);
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true });
  }, 90_000);

  test('that may not stand by is refused by name, and one that was held up ends by name', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const first = new Process('first', stream, engine.endpoint, { flags: ['--no-standby'] });
    await first.until('ready');
    const second = new Process('second', stream, engine.endpoint, { flags: ['--no-standby'] });
    expect((await second.ended).code).toBe(1);
    expect(second.log).toMatch(/lease 1 is held by .* pid \d+/);
    await rig.send(engine, messages.slice(0, half));
    first.hold();
    await sleep(LEASE_MS + 500);
    first.resume();
    const { code, stdout } = await first.ended;
    expect(code, first.logTail).toBe(5);
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'stopped', stop: { reason: 'lease-expired' } });
    expect((await rig.record(stream))?.stopped).toBeUndefined();
    const third = new Process('third', stream, engine.endpoint, { flags: ['--no-standby'] });
    await third.until('ready');
    await rig.send(engine, messages);
    await until('all is settled', () => third.watermark === messages.length);
    expect((await third.stop()).code, third.logTail).toBe(0);
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true });
  }, 90_000);

  test('of a classic stream takes nothing while it stands by', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const first = new Process('first', stream, engine.endpoint, { flags: ['--classic'] });
    await first.until('ready');
    const second = new Process('second', stream, engine.endpoint, { flags: ['--classic'] });
    await second.until('standby');
    expect(engine.peersSeen).toBe(1);
    expect((await first.stop()).code, first.logTail).toBe(0);
    await second.until('ready');
    expect((await second.stop()).code, second.logTail).toBe(0);
  }, 60_000);

  test('tries again where the database fails while it takes over, and says why', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const first = new Process('first', stream, engine.endpoint);
    await first.until('ready');
    const second = new Process('second', stream, engine.endpoint, { openingsFailed: 3 });
    await second.until('standby');
    first.kill();
    await second.until('ready');
    expect(second.log.match(/the stream could not be opened; trying again/g)).toHaveLength(3);
    expect(second.log).toContain('All host(s) tried for query failed');
    await rig.send(engine, messages);
    await until('all is settled', () => second.watermark === messages.length);
    expect((await second.stop()).code, second.logTail).toBe(0);
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true });
  }, 90_000);

  test('gives the lease up where it cannot open the stream for as long, so that another may, and stands by', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const first = new Process('first', stream, engine.endpoint, { openingsFailed: 1_000, leaseMs: 2_000 });
    await until('it tries', () => first.log.includes('trying again'));
    // It may come while the other one stands by, or while that has the lease.
    const second = new Process('second', stream, engine.endpoint);
    await second.until('ready');
    await first.until('standby');
    expect(first.log).toContain('the lease is given up');
    expect((await first.stop()).code, first.logTail).toBe(0);
    expect((await second.stop()).code, second.logTail).toBe(0);
  }, 60_000);

  test('takes a lease above the one that the engine has heard of, where the database was restored to before it', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const publisher = await rig.publisher({ stream, outbox: join(folder, `outbox-${stream}`) });
    for (let count = 0; count < 4; count += 1) await takeLease(rig.database.client, stream, 'somebody');
    const flags = ['--control', publisher.controlEndpoint];
    const before = new Process('before', stream, publisher.endpoint, { flags });
    await before.until('ready');
    await Promise.all(messages.map(([, data]) => publisher.publish(data)));
    await until('the engine knows', () => publisher.status.settledUpTo === BigInt(messages.length));
    expect((await before.stop()).code, before.logTail).toBe(0);
    await rig.emptyTables();
    const after = new Process('after', stream, publisher.endpoint, { flags: [...flags, '--no-standby'] });
    await until('all is settled', () => after.watermark === messages.length);
    expect(after.log).toContain('"reason":"lease-behind"');
    expect((await after.stop()).code, after.logTail).toBe(0);
    expect(await readLease(rig.database.client, stream)).toBe(6n);
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true });
  }, 90_000);
});
