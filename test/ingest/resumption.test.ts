/** The rules by which an ingest asks for what is missing, on a clock of the test's own. */
import { describe, expect, it } from 'vitest';
import { Resumption } from '../../src/ingest/resumption.ts';
import { StreamStopped } from '../../src/ingest/stop.ts';
import type { Logger } from '../../src/logging/index.ts';

const LIMITS = {
  pauseMsFirst: 200,
  pauseMsMax: 5_000,
  roundsMax: 3,
  quietMsMax: 5_000,
  idleMsFirst: 5_000,
  idleMsMax: 60_000,
};

/** An ingest that has received up to 10, and an engine that never sends 11. */
function atAHole() {
  const time = { nowMs: 0, received: 10n };
  const asked: bigint[] = [];
  const silent = (): undefined => undefined;
  const resumption = new Resumption({
    log: { info: silent, warn: silent } as unknown as Logger,
    limits: LIMITS,
    received: () => time.received,
    ask: (from) => {
      asked.push(from);
    },
    nowMs: () => time.nowMs,
  });
  resumption.compared();
  /** The engine goes back and sends 10 and what follows 11. */
  const goBack = (): void => {
    resumption.seen(10n);
    for (let sequence = 12n; sequence < 40n; sequence += 1n) {
      resumption.seen(sequence);
      resumption.ahead(11n, sequence, `deposit (sequence ${sequence})`);
    }
  };
  return { resumption, asked, time, goBack };
}

describe('a hole', () => {
  it('is one round of asking, however many messages follow it', () => {
    const { goBack, asked } = atAHole();
    goBack();
    // Within the pause nothing more is asked, and all that comes behind the hole belongs to the same round.
    goBack();
    goBack();
    expect(asked).toEqual([10n]);
  });

  it('that is there again each time the engine was asked and has gone back stops the stream by name', () => {
    const { goBack, asked, time } = atAHole();
    const rounds = (): void => {
      for (let round = 0; round < 10; round += 1) {
        goBack();
        time.nowMs += LIMITS.pauseMsMax;
      }
    };
    expect(rounds).toThrow(StreamStopped);
    expect(asked.length).toBe(LIMITS.roundsMax);
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
