/**
 * A lease in the hands of its holder and of those who stand by: held only while this process's own clocks say so, taken
 * only from who was silent for long enough, known also where an answer got lost.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'cassandra-driver';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isHolderGone, newHolderId } from '../../src/cli/holder.ts';
import { LeaseHeldError, standBy, type StandbyOptions } from '../../src/ingest/lease-standby.ts';
import { LeaseKeeper, type LeaseClocks } from '../../src/ingest/lease.ts';
import { claimLease, readLeaseRow, takeLease } from '../../src/ledger/leases.ts';
import { createLogger } from '../../src/logging/index.ts';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';
import { until } from './rig.ts';

let database: TestDatabase;
const log = createLogger({ level: 'silent', pretty: 'false' });

beforeAll(async () => {
  database = await freshKeyspace();
});
afterAll(() => database.drop());

/** Clocks that a test moves. */
class Clocks implements LeaseClocks {
  monotonic = 5_000;
  wall = 1_800_000_000_000;
  monotonicMs = (): number => this.monotonic;
  wallMs = (): number => this.wall;
  pass(ms: number): void {
    this.monotonic += ms;
    this.wall += ms;
  }
}

function keeper(durationMs: number, renew: () => Promise<boolean>, clocks: Clocks): LeaseKeeper {
  const sent = { monotonicMs: clocks.monotonic, wallMs: clocks.wall };
  return new LeaseKeeper({ lease: 7n, durationMs, clocks, renew, release: () => Promise.resolve() }, sent);
}

describe('the holder of a lease', () => {
  const never = (): Promise<boolean> => new Promise(() => undefined);

  test('counts on it for less than others wait, by its own steady clock', () => {
    const clocks = new Clocks();
    const lease = keeper(600_000, never, clocks);
    clocks.pass(539_999);
    expect(lease.isHeld()).toBe(true);
    clocks.pass(1);
    expect(lease.isHeld()).toBe(false);
  });

  test('does not count on it after the machine slept, when the steady clock stood still', () => {
    const clocks = new Clocks();
    const lease = keeper(600_000, never, clocks);
    clocks.wall += 540_000;
    expect(lease.isHeld()).toBe(false);
  });

  test('does not get it back by a clock that is set forward and back', async () => {
    const clocks = new Clocks();
    const lease = keeper(600_000, never, clocks);
    clocks.wall += 540_000;
    expect(lease.isHeld()).toBe(false);
    clocks.wall -= 540_000;
    expect(lease.isHeld()).toBe(false);
    expect(await lease.ended).toMatchObject({ kind: 'expired' });
  });

  test('counts from before the renewal was sent, not from its answer', async () => {
    const clocks = new Clocks();
    let answer: (ours: boolean) => void = () => undefined;
    let asked = 0;
    const renew = (): Promise<boolean> => {
      asked += 1;
      return asked === 1 ? new Promise((resolve) => (answer = resolve)) : never();
    };
    const lease = keeper(300, renew, clocks);
    clocks.pass(100);
    await until('a renewal is sent', () => asked === 1);
    clocks.pass(100);
    answer(true);
    await sleep(20);
    clocks.pass(169);
    expect(lease.isHeld()).toBe(true);
    clocks.pass(1);
    expect(lease.isHeld()).toBe(false);
    expect(await lease.ended).toEqual({ kind: 'expired', problem: undefined });
  });

  test('does not get it back by an answer that comes too late', async () => {
    const clocks = new Clocks();
    let answer: (ours: boolean) => void = () => undefined;
    let asked = false;
    const renew = (): Promise<boolean> => {
      asked = true;
      return new Promise((resolve) => (answer = resolve));
    };
    const lease = keeper(300, renew, clocks);
    await until('a renewal is sent', () => asked);
    clocks.pass(280);
    answer(true);
    expect((await lease.ended).kind).toBe('expired');
    expect(lease.isHeld()).toBe(false);
  });

  test('renews nothing when it wakes after its time', async () => {
    const clocks = new Clocks();
    let asked = 0;
    const lease = keeper(300, () => Promise.resolve((asked += 1) > 0), clocks);
    clocks.pass(1_000);
    expect((await lease.ended).kind).toBe('expired');
    expect(asked).toBe(0);
  });

  test('learns that it is lost, and why it could not be renewed', async () => {
    const lost = keeper(300, () => Promise.resolve(false), new Clocks());
    expect(await lost.ended).toEqual({ kind: 'lost' });
    const clocks = new Clocks();
    let failed = 0;
    const failing = keeper(300, () => Promise.reject(new Error(`away ${(failed += 1)}`)), clocks);
    await until('it was tried again', () => failed > 1);
    clocks.pass(300);
    expect(await failing.ended).toMatchObject({ kind: 'expired', problem: expect.stringContaining('away') });
  });
});

describe('who stands by', () => {
  const options = (stream: string, more: Partial<StandbyOptions> = {}): StandbyOptions => ({
    client: database.client,
    log,
    stream,
    holder: 'host',
    holderId: `${Math.random()}`,
    durationMs: 1_000,
    ...more,
  });

  test('waits for as long as the holder renews, and takes over at once when that gives it back', async () => {
    const first = await standBy(options('renewed'));
    const told: bigint[] = [];
    let second: LeaseKeeper | undefined;
    const waiting = standBy(options('renewed', { onStandby: ({ lease }) => told.push(lease) }));
    void waiting.then((lease) => (second = lease));
    await sleep(4_000);
    expect(second).toBeUndefined();
    expect(first.isHeld()).toBe(true);
    const startedMs = performance.now();
    await first.release();
    expect(first.isHeld()).toBe(false);
    expect((await waiting).number).toBe(2n);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(told).toEqual([1n]);
    await second?.release();
  });

  test('takes over from who is silent, not before that one has ceased to count on it', async () => {
    const { client } = database;
    const claim = { holder: 'silent', holderId: 'silent', durationMs: 2_000 };
    const startedMs = performance.now();
    await claimLease(client, 'silent', await readLeaseRow(client, 'silent'), claim);
    const lease = await standBy(options('silent'));
    // The lease, and a tenth more.
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(2_200);
    expect(performance.now() - startedMs).toBeLessThan(15_000);
    expect(lease.number).toBe(2n);
    await lease.release();
  });

  test('takes over at once from a process of this machine that is gone', async () => {
    const { client } = database;
    const gone = JSON.stringify({ ...(JSON.parse(newHolderId()) as object), processStart: undefined });
    expect(isHolderGone(gone)).toBe(false);
    expect(isHolderGone(newHolderId())).toBe(false);
    const own = JSON.parse(newHolderId()) as { pid: number; processStart: string };
    const dead = JSON.stringify({ ...own, processStart: own.processStart.replace(/^\d+/, '1') });
    expect(isHolderGone(dead)).toBe(true);
    expect(isHolderGone(JSON.stringify({ ...own, processStart: '1@otherboo' }))).toBe(false);
    const claim = { holder: 'dead', holderId: dead, durationMs: 60_000 };
    await claimLease(client, 'dead', await readLeaseRow(client, 'dead'), claim);
    const lease = await standBy(options('dead', { isGone: isHolderGone }));
    expect(lease.number).toBe(2n);
    await lease.release();
  });

  test('fails at once where it may not wait, naming lease and holder', async () => {
    const first = await standBy(options('busy'));
    const refused = standBy(options('busy', { standBy: false }));
    await expect(refused).rejects.toThrow(LeaseHeldError);
    await expect(refused).rejects.toThrow('lease 1 is held by host');
    await first.release();
  });

  test('ends when it is told to', async () => {
    const first = await standBy(options('told'));
    const abort = new AbortController();
    const waiting = standBy(options('told', { signal: abort.signal }));
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await first.release();
  });

  test('finds its own claim whose answer got lost', async () => {
    const { client } = database;
    let lost = 0;
    const lossy = Object.create(client, {
      execute: {
        value: async (...args: Parameters<Client['execute']>) => {
          const result = await client.execute(...args);
          if (!/^(INSERT|UPDATE)/.test(args[0]) || lost > 0) return result;
          lost += 1;
          throw new Error('Server timeout during write query at consistency SERIAL');
        },
      },
    }) as Client;
    const lease = await standBy(options('lossy', { client: lossy, standBy: false }));
    expect(lost).toBe(1);
    expect(lease.number).toBe(2n);
    expect(lease.isHeld()).toBe(true);
    await lease.release();
  });

  test('many at once: never two that hold it at one moment', async () => {
    let holding = 0;
    let turns = 0;
    const one = async (): Promise<void> => {
      const lease = await standBy(options('many', { durationMs: 5_000 }));
      holding += 1;
      expect(holding).toBe(1);
      expect(lease.isHeld()).toBe(true);
      turns += 1;
      await sleep(300);
      holding -= 1;
      await lease.release();
    };
    await Promise.all(Array.from({ length: 5 }, one));
    expect(turns).toBe(5);
    expect(await takeLease(database.client, 'many', 'test')).toBeGreaterThanOrEqual(6n);
  }, 30_000);
});
