/** The rules by which an ingest asks for what is missing, on a clock of the test's own. */
import { describe, expect, it } from 'vitest';
import { Resumption } from '../../src/ingest/resumption.ts';
import type { Logger } from '../../src/logging/index.ts';
import { stopOf } from './events.ts';

const LIMITS = {
  pauseMsFirst: 200,
  pauseMsMax: 5_000,
  roundsMax: 3,
  quietMsMax: 5_000,
  idleMsFirst: 5_000,
  idleMsMax: 60_000,
};

/** An ingest that has received up to a number, and what it asked and said. */
function ingestAt(received: bigint) {
  const time = { nowMs: 0, received };
  const asked: bigint[] = [];
  const said: string[] = [];
  const log = new Proxy({} as Logger, { get: () => (_fields: object, text: string) => said.push(text) });
  const resumption = new Resumption({
    log,
    limits: LIMITS,
    received: () => time.received,
    ask: (from) => asked.push(from),
    nowMs: () => time.nowMs,
  });
  return { resumption, asked, said, time };
}

/** An ingest that has received up to 10, and an engine that never sends 11. */
function atAHole() {
  const ingest = ingestAt(10n);
  const { resumption } = ingest;
  resumption.compared();
  /** The engine goes back and sends 10 and what follows 11. */
  const goBack = (): void => {
    resumption.seen(10n);
    for (let sequence = 12n; sequence < 40n; sequence += 1n) {
      resumption.seen(sequence);
      resumption.ahead(11n, sequence, `deposit (sequence ${sequence})`);
    }
  };
  return { ...ingest, goBack };
}

describe('the engine is asked', () => {
  it('on a connection, from the last event received, and from 1 where there is none', () => {
    const { asked, time, resumption } = ingestAt(0n);
    resumption.connected();
    time.received = 41n;
    resumption.connected();
    expect(asked).toEqual([1n, 41n]);
  });

  it('again where nothing comes at all, and seldom while the stream is whole', () => {
    const { asked, time, resumption } = ingestAt(41n);
    resumption.connected();
    for (; time.nowMs <= 15_000; time.nowMs += 100) resumption.tick();
    expect(asked.length).toBeGreaterThanOrEqual(3);
    resumption.seen(41n);
    resumption.compared();
    const { length } = asked;
    for (; time.nowMs <= 35_000; time.nowMs += 100) expect(resumption.tick()).toBe(false);
    // Five seconds and then ten after it was last heard or asked.
    expect(asked).toHaveLength(length + 2);
  });
});

describe('a hole', () => {
  it('is asked about once, then again with a growing pause as long as it lasts', () => {
    const { asked, time, said, resumption } = ingestAt(41n);
    resumption.compared();
    const times: number[] = [];
    for (; time.nowMs < 20_000; time.nowMs += 100) {
      const before = asked.length;
      const sequence = 50n + BigInt(time.nowMs);
      resumption.seen(sequence);
      resumption.ahead(42n, sequence, 'trade 50');
      if (asked.length > before) times.push(time.nowMs);
    }
    expect(times).toEqual([0, 400, 1_200, 2_800, 6_000, 11_000, 16_000]);
    expect(new Set(asked)).toEqual(new Set([41n]));
    expect(said).toHaveLength(1);
    expect(resumption.dropped).toBe(200);
    resumption.accepted();
    expect(said[1]).toBe('what was missing has come');
  });

  it('is one round of asking, however many messages follow it', () => {
    const { goBack, asked } = atAHole();
    goBack();
    // Within the pause nothing more is asked, and all that comes behind the hole belongs to the same round.
    goBack();
    goBack();
    expect(asked).toEqual([10n]);
  });

  it('that is there again each time the engine was asked and has gone back stops the stream by name', async () => {
    const { goBack, asked, time } = atAHole();
    const stop = await stopOf(() => {
      for (let round = 0; round < 10; round += 1) {
        goBack();
        time.nowMs += LIMITS.pauseMsMax;
      }
    });
    expect(stop).toMatchObject({
      reason: 'hole',
      sequence: '11',
      stated: '12',
      event: 'deposit (sequence 12)',
    });
    expect(asked).toHaveLength(LIMITS.roundsMax);
  });
});

describe('until the engine has shown that it goes on with the stream', () => {
  it('nothing new is taken, and old is', () => {
    const { time, resumption, asked } = ingestAt(41n);
    expect(resumption.holdsBack(42n)).toBe(true);
    expect(resumption.holdsBack(41n)).toBe(false);
    expect(resumption.holdsBack(3n)).toBe(false);
    resumption.compared();
    expect(resumption.holdsBack(42n)).toBe(false);
    resumption.uncertain();
    time.nowMs += 2 * LIMITS.quietMsMax;
    expect(resumption.tick()).toBe(true);
    expect(resumption.holdsBack(42n)).toBe(true);
    expect(asked.length).toBeGreaterThan(0);
  });

  it('a stream without any event has nothing to be shown', () => {
    expect(ingestAt(0n).resumption.holdsBack(1n)).toBe(false);
  });
});

describe('an end that went to another ingest', () => {
  /** Lets time pass as the ingest does. Returns when it asked, s. */
  function pass(seconds: number, { resumption, asked, time }: ReturnType<typeof atAHole>): number[] {
    const at: number[] = [];
    for (let second = 1; second <= seconds; second += 1) {
      time.nowMs += 1_000;
      const before = asked.length;
      resumption.tick();
      if (asked.length > before) at.push(second);
    }
    return at;
  }

  // Simulation, seed 150083: the engine went back at a hole, and the last of what it sent again went elsewhere.
  it('is asked for at once where it was seen and dropped behind a hole that is filled by now', () => {
    const ingest = atAHole();
    const { resumption, time, asked } = ingest;
    resumption.seen(12n);
    resumption.ahead(11n, 12n, 'lock (sequence 12)');
    resumption.seen(11n);
    time.received = 11n;
    resumption.accepted();
    expect(pass(3, ingest)).toEqual([1, 2, 3]);
    expect(asked).toEqual([10n, 11n, 11n, 11n]);
    resumption.seen(12n);
    time.received = 12n;
    resumption.accepted();
    expect(pass(4, ingest)).toEqual([]);
  });

  it('is asked for now and then where nothing comes at all, and less often the longer that lasts', () => {
    const ingest = atAHole();
    ingest.time.nowMs = 100_000;
    ingest.resumption.connected();
    expect(pass(160, ingest)).toEqual([5, 15, 35, 75, 135]);
    ingest.resumption.accepted();
    expect(pass(12, ingest)).toEqual([1, 11]);
  });

  it('is asked for soon after a connection was made, however long nothing had come before', () => {
    const ingest = atAHole();
    ingest.resumption.connected();
    pass(600, ingest);
    ingest.resumption.connected();
    expect(pass(20, ingest)).toEqual([5, 15]);
  });

  it('is asked for from 1 where nothing was received', () => {
    const ingest = atAHole();
    ingest.time.received = 0n;
    ingest.resumption.connected();
    expect(pass(6, ingest)).toEqual([5]);
    expect(ingest.asked).toEqual([1n, 1n]);
  });

  it('that never was, since another engine spoke of it, is soon asked for as seldom as any', () => {
    const ingest = atAHole();
    ingest.resumption.connected();
    ingest.resumption.seen(9_000n);
    expect(pass(600, ingest).length).toBeLessThan(20);
    ingest.resumption.uncertain();
    ingest.resumption.compared();
    ingest.resumption.connected();
    expect(pass(20, ingest)).toEqual([5, 15]);
  });

  it('is not asked for while something comes', () => {
    const ingest = atAHole();
    ingest.resumption.connected();
    for (let second = 0; second < 60; second += 1) {
      ingest.time.received += 1n;
      ingest.resumption.seen(ingest.time.received);
      ingest.resumption.accepted();
      expect(pass(1, ingest)).toEqual([]);
    }
  });
});
