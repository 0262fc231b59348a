/**
 * An ingest that is started again, or beside another: it compares what it is sent with the stream log (I1b), and only the
 * newest goes on. A classic stream opens only when nothing of its former ingest is unfinished.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from 'cassandra-driver';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { OracleFile } from '../../src/audit/index.ts';
import { Child } from '../../src/cli/demo/child.ts';
import type { IngestEnding, IngestProgress } from '../../src/ingest/ingest.ts';
import type { LeaseEnding } from '../../src/ingest/lease.ts';
import { LeaseBehindError } from '../../src/ingest/opening.ts';
import { takeLease } from '../../src/ledger/leases.ts';
import { writeLines } from '../../src/ledger/stream-log.ts';
import type { Frames } from '../../src/publisher/push.ts';
import { StorageUnavailableError } from '../../src/settlement/settle-request.ts';
import { PARTITION_LIMITS } from '../../src/workflows/contract.ts';
import { allBalances, writeBalance } from '../support/by-hand.ts';
import { recording } from '../wire/messages.ts';
import { ledger, lineOf } from './events.ts';
import { Rig, simulated, until } from './rig.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/settled.mjs', import.meta.url));

let rig: Rig;
const folder = mkdtempSync(join(tmpdir(), 'settled-test-'));

beforeAll(async () => {
  rig = await Rig.start();
});
afterEach(async () => {
  await rig.clear();
  await rig.stopWorker();
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await rig.stop();
});

/** The same message with another amount, or price. */
function altered([topic, data]: Frames): Frames {
  const text = data.toString();
  const other = text.replace(
    /"(amount|trade_id)":(\d+)/,
    (_all, name, value) => `"${name}":${BigInt(value) + 1n}`,
  );
  expect(other).not.toBe(text);
  return [topic, Buffer.from(other)];
}

describe('a numbered ingest that is started again', () => {
  test('opens no socket where another has taken the lease meanwhile, though its own clock does not say so yet', async () => {
    const stream = rig.stream();
    const { endpoint } = await rig.engine();
    const lease = await rig.stolenLease(stream);
    await takeLease(rig.database.client, stream, 'another');
    await expect(rig.ingest({ stream, endpoint, lease })).rejects.toThrow(
      `lease ${lease.number} ended while the stream was being opened`,
    );
  });

  const { messages, oracle } = simulated({ trades: 60 });

  /** A stream of which an ingest that is closed has settled the first 70 messages. */
  const begun = async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const before = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, messages.slice(0, 70));
    await before.untilSettled(70);
    await before.close();
    return { stream, engine, before };
  };

  test('takes what is settled for duplicates, and goes on after the watermark', async () => {
    const { stream, engine, before } = await begun();
    const again = await rig.ingest({ stream, endpoint: engine.endpoint });
    expect(again.ingest.lease).toBe(before.ingest.lease + 1n);
    await rig.send(engine, messages);
    await again.untilSettled(messages.length);
    expect((await again.close()).progress).toMatchObject({ duplicates: 70, accepted: messages.length - 70 });
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true });
  });

  test('stops by name at other content under a settled number, though the numbers go on', async () => {
    const { stream, engine } = await begun();
    const again = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, messages.with(41, altered(messages[41]!)));
    expect(await again.ended).toMatchObject({
      kind: 'stopped',
      stop: { reason: 'other-content', sequence: '42' },
      progress: { watermark: '70', duplicates: 41, accepted: 0 },
    });
    expect(await rig.audit(stream)).toMatchObject({ ok: true, counts: { events: 70 } });
  });

  test('compares also what was received and never settled', async () => {
    const stream = rig.stream();
    const engine = await rig.engine();
    const unheard = await rig.ingest({ stream, endpoint: engine.endpoint, drainMsMax: 100 });
    await rig.send(engine, messages.slice(0, 40));
    await until('all came', () => unheard.ingest.progress.messages === 40);
    await until('all lines are written', async () => (await linesOf(stream)) === 40);
    expect(await unheard.close()).toMatchObject({
      kind: 'closed',
      unsettled: 40,
      progress: { watermark: '0' },
    });
    await rig.startWorker();
    const other = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, messages.with(30, altered(messages[30]!)));
    expect(await other.ended).toMatchObject({ stop: { reason: 'other-content', sequence: '31' } });
    const again = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, messages);
    await again.untilSettled(messages.length);
    expect((await rig.audit(stream, oracle)).findings).toEqual([]);
  });

  test('that is asked to end while the database is away ends in order, and says what it left undone', async () => {
    const { stream, engine } = await begun();
    let isAway = false;
    const cassandra = failing(rig.database.client, () => isAway);
    const again = await rig.ingest({ stream, endpoint: engine.endpoint, cassandra, drainMsMax: 300 });
    isAway = true;
    // To be compared with its line, which nobody can read now.
    await rig.send(engine, messages.slice(0, 1));
    await until('it is tried again', () => again.said('checking a message again').length > 0);
    expect(await again.close()).toMatchObject({
      kind: 'closed',
      unsettled: 0,
      progress: { watermark: '70' },
    });
    expect(again.said('closed while')).toHaveLength(1);
  });

  test('takes the stream over from one that still runs, which stops, and says nothing about the stream', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const [engine, sameEngine] = [await rig.engine(), await rig.engine()];
    const first = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, messages.slice(0, 50));
    await first.untilSettled(50);
    const lease = await rig.stolenLease(stream);
    const second = await rig.ingest({ stream, endpoint: sameEngine.endpoint, lease });
    await rig.send(engine, messages.slice(50, 60));
    // Lines are written several writes at a time, and whichever of them looks at the lease first says so.
    expect(await first.ended).toMatchObject({
      kind: 'stopped',
      stop: { reason: 'lease-lost', sequence: expect.stringMatching(/^(5[1-9]|6[01])$/) },
    });
    await rig.send(sameEngine, messages.slice(50));
    await second.untilSettled(messages.length);
    expect((await rig.record(stream))?.stopped).toBeUndefined();
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true });
  });
});

describe('an ingest whose lease runs out while the database is away', () => {
  const { messages } = simulated({ trades: 10, seed: 28 });

  test('ends by that name, also in the middle of comparing a message, so that it may stand by', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const before = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, messages.slice(0, 5));
    await before.untilSettled(5);
    await before.close();
    const { number } = await rig.stolenLease(stream);
    let expire: (ending: LeaseEnding) => void = () => undefined;
    const ended = new Promise<LeaseEnding>((resolve) => (expire = resolve));
    const after = await rig.ingest({
      stream,
      endpoint: engine.endpoint,
      lease: { number, isHeld: () => true, ended },
      cassandra: failing(
        rig.database.client,
        (query) => query.includes('FROM stream_log') && query.endsWith('sequence = ?'),
      ),
    });
    await rig.send(engine, messages.slice(0, 1));
    await until('it can not compare', () => after.said('checking a message again').length > 0);
    expire({ kind: 'expired', problem: 'away' });
    expect(await after.ended).toMatchObject({ kind: 'stopped', stop: { reason: 'lease-expired' } });
  });
});

test('a watermark that can not be written is told of, and the stream goes on once it can', async () => {
  const { messages } = simulated({ trades: 10, seed: 29 });
  await rig.startWorker();
  const stream = rig.stream();
  const engine = await rig.engine();
  let isAway = true;
  const cassandra = failing(
    rig.database.client,
    (query) => isAway && query.startsWith('UPDATE streams USING TIMESTAMP'),
  );
  const running = await rig.ingest({ stream, endpoint: engine.endpoint, cassandra });
  await rig.send(engine, messages.slice(0, 5));
  await until('it is said', () => running.said('writing the watermark again').length > 1);
  expect(running.said('writing the watermark again')[0]?.fields['problem']).toContain('no host is available');
  expect(running.ingest.progress.watermark).toBe('0');
  isAway = false;
  await running.untilSettled(5);
});

/** The client of a database that does not carry out some of what it is asked. */
function failing(client: Client, isFailing: (query: string) => boolean): Client {
  return new Proxy(client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (query: string, ...rest: unknown[]) => unknown;
      if (name !== 'execute') return call;
      return (query: string, ...rest: unknown[]) =>
        isFailing(query) ? Promise.reject(new Error('no host is available')) : call(query, ...rest);
    },
  });
}

describe('a classic ingest that is started again', () => {
  const messages = recording('classic-e2e');
  const oracle = JSON.parse(
    readFileSync(new URL('../data/classic-e2e.oracle.json', import.meta.url), 'utf8'),
  ) as OracleFile;

  test('after SIGTERM in the middle of the stream leads to the books of its engine', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    let progress: IngestProgress | undefined;
    let ending: IngestEnding | undefined;
    const start = (name: string): Child =>
      new Child({
        args: ['ingest', '--classic', '--endpoint', engine.endpoint, '--json'],
        env: rig.env(stream),
        logPath: join(folder, `${name}.log`),
        onMessage: (told) => {
          if (told.type === 'progress') ({ progress } = told as unknown as { progress: IngestProgress });
          if (told.type === 'ended') ({ ending } = told as unknown as { ending: IngestEnding });
        },
      });
    const before = start('before');
    try {
      await rig.send(engine, messages.slice(0, 171));
      await until('half of it came', () => progress?.messages === 171);
      expect((await before.stop()).code, before.logTail).toBe(0);
      expect(ending).toMatchObject({ kind: 'closed', unsettled: 0, progress: { watermark: '171' } });
    } finally {
      before.kill();
    }
    const after = start('after');
    try {
      await rig.send(engine, messages.slice(171));
      await until('all is settled', () => progress?.watermark === '343');
      const { code, stdout } = await after.stop();
      expect(code, after.logTail).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ kind: 'closed', unsettled: 0, progress: { messages: 172 } });
    } finally {
      after.kill();
    }
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true });
  }, 60_000);

  const open = async (stream: string, endpoint: string, more: Parameters<Rig['ingest']>[0] | object = {}) =>
    rig.ingest({ stream, endpoint, dialect: 'classic', drainMsMax: 100, unfinishedMsMax: 700, ...more });

  test('is refused while no worker tells whether something is unfinished, and opens when all of it is settled', async () => {
    const stream = rig.stream();
    const engine = await rig.engine();
    const before = await open(stream, engine.endpoint);
    await rig.send(engine, messages.slice(0, 20));
    await until('all lines are written', async () => (await linesOf(stream)) === 20);
    // What was sent on will be settled; what the ingest kept back would be lost.
    await until('all is sent on', async () => (await workflowsOf(stream)) > 0);
    expect(await before.close()).toMatchObject({ kind: 'closed', unsettled: 20 });
    await expect(open(stream, engine.endpoint)).rejects.toThrow(
      /partition \d does not answer .*is a worker running/,
    );
    await rig.startWorker();
    const again = await open(stream, engine.endpoint, { unfinishedMsMax: 20_000 });
    expect(again.ingest.progress.watermark).toBe('20');
    await rig.send(engine, messages.slice(20));
    await again.untilSettled(343);
    expect(await rig.audit(stream, oracle)).toMatchObject({ ok: true });
  });

  test('after a stop that was recorded at once is refused, also where its ingest did not come to its end', async () => {
    const stream = rig.stream();
    const engine = await rig.engine();
    const before = await open(stream, engine.endpoint, { drainMsMax: 8_000 });
    const state = (kind: string, amount: number): Frames => [
      messages[0]![0],
      Buffer.from(
        `{"user_id":1,"sequence_id":0,"event_type":"${kind}","amount":${amount},"currency":2,"related_id":0,"created_at":1}`,
      ),
    ];
    await rig.send(engine, [state('DEPOSIT', 5), state('WITHDRAW', 9)]);
    await until('the stop is recorded', async () => (await rig.record(stream))?.stopped !== undefined);
    // Nothing settles without a worker: it still waits for what is in flight.
    expect(before.ingest.progress).toMatchObject({ inFlight: 1, watermark: '0' });
    const next = { stream, endpoint: engine.endpoint, lease: await rig.stolenLease(stream) };
    await expect(rig.ingest({ ...next, dialect: 'classic' })).rejects.toThrow(
      /stopped at sequence 2 \(insufficient-balance\).*--after-stop/s,
    );
    expect((await before.ended).stop).toMatchObject({ reason: 'insufficient-balance', sequence: '2' });
  });

  test('is refused while an Update of the former one is under way', async () => {
    let release: (() => void) | undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    await rig.startWorker(
      {},
      { settle: () => held.then(() => Promise.reject(new StorageUnavailableError('held', undefined))) },
    );
    const stream = rig.stream();
    const engine = await rig.engine();
    const before = await open(stream, engine.endpoint);
    await rig.send(engine, messages.slice(0, 3));
    await until('it is being settled', async () => (await workflowsOf(stream)) > 0);
    await before.close();
    await expect(open(stream, engine.endpoint)).rejects.toThrow(
      /partition \d still has [12] unfinished Updates/,
    );
    release?.();
  });

  test('is refused while an attempt may run that nobody hears', async () => {
    const away = new StorageUnavailableError('no host available', new Error('away'));
    await rig.startWorker({}, { settle: () => Promise.reject(away) });
    const stream = rig.stream();
    const engine = await rig.engine();
    const limits = { ...PARTITION_LIMITS, updateMsMax: 500, activityMsMax: 2_500 };
    const before = await open(stream, engine.endpoint, { limits });
    await rig.send(engine, messages.slice(0, 3));
    await until('an attempt failed', () => before.said('an attempt failed').length > 0);
    expect(before.said('an attempt failed')[0]?.fields['problem']).toContain('no host available');
    await before.close();
    await expect(open(stream, engine.endpoint, { unfinishedMsMax: 300 })).rejects.toThrow(
      /an attempt that nobody hears and that may run until|unfinished/,
    );
    // When it can't run any more, what it did not settle is lost, and named.
    await expect(open(stream, engine.endpoint, { unfinishedMsMax: 15_000 })).rejects.toThrow(
      'deposit 1 (sequence 1) was received and never settled',
    );
  });

  test('is refused where a line above the watermark has no row, as what needs a person', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const before = await open(stream, engine.endpoint);
    await rig.send(engine, messages.slice(0, 12));
    await before.untilSettled(12);
    await before.close();
    await writeLines(rig.database.client, stream, [lineOf(ledger(13))]);
    // A supervisor must not start it again and again.
    const ingest = ['ingest', '--classic', '--no-standby', '--endpoint', engine.endpoint];
    const { exitCode, stderr } = await execa(process.execPath, [PROGRAM, ...ingest], {
      env: rig.env(stream),
      reject: false,
    });
    expect(stderr).toContain('deposit 13 (sequence 13) was received and never settled');
    expect(exitCode).toBe(3);
  });

  test('is refused under a lease older than a workflow has heard of, before anything is taken from the engine', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    for (let count = 0; count < 4; count += 1) await takeLease(rig.database.client, stream, 'somebody');
    const before = await open(stream, engine.endpoint);
    await rig.send(engine, messages.slice(0, 12));
    await before.untilSettled(12);
    await before.close();
    await rig.database.client.execute('TRUNCATE leases', [], { prepare: false });
    await expect(open(stream, engine.endpoint)).rejects.toThrow(LeaseBehindError);
    await expect(open(stream, engine.endpoint)).rejects.toThrow('have heard of lease 5');
  });

  test('waits for balances that do not show yet what their rows say', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const before = await open(stream, engine.endpoint);
    await rig.send(engine, messages.slice(0, 9));
    await before.untilSettled(9);
    await before.close();
    // As if the last batch were visible in part, and the watermark never written.
    const { client } = rig.database;
    const rows = await allBalances(client);
    const row = rows[0]!;
    await client.execute('TRUNCATE user_balances', [], { prepare: false });
    for (const one of rows.slice(1)) await writeBalance(client, one);
    await client.execute('DELETE watermark FROM streams USING TIMESTAMP 9 WHERE stream = ?', [stream], {
      prepare: true,
    });
    await expect(open(stream, engine.endpoint)).rejects.toThrow(
      `balance ${row['user_id']}/${row['asset_id']} does not show its version 1`,
    );
    const opening = open(stream, engine.endpoint, { unfinishedMsMax: 10_000 });
    setTimeout(() => void writeBalance(client, row), 500);
    expect((await opening).ingest.progress.messages).toBe(0);
  });
});

async function linesOf(stream: string): Promise<number> {
  const result = await rig.database.client.execute(
    'SELECT sequence FROM stream_log WHERE stream = ? AND bucket = 0',
    [stream],
    { prepare: true },
  );
  return result.rowLength;
}

/** Workflows of a stream that hold an Update. */
async function workflowsOf(stream: string): Promise<number> {
  let count = 0;
  for (let partition = 0; partition < 4; partition += 1) {
    const handle = rig.temporal.workflow.getHandle(`settle-${stream}-${partition}`);
    const history = await handle.fetchHistory().catch(() => undefined);
    if (history) count += 1;
  }
  return count;
}
