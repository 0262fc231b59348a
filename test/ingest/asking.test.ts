/** When an engine is asked again, and when asking is over: on a clock of the test's own. */
import { describe, expect, test } from 'vitest';
import { Resumption } from '../../src/ingest/resumption.ts';
import { Silence } from '../../src/ingest/silence.ts';
import type { Logger } from '../../src/logging/index.ts';
import { stopOf } from './events.ts';

const LIMITS = {
  pauseMsFirst: 100,
  pauseMsMax: 400,
  roundsMax: 3,
  quietMsMax: 1_000,
  idleMsFirst: 1_000,
  idleMsMax: 60_000,
};

function rules(received: bigint) {
  const asked: bigint[] = [];
  const said: string[] = [];
  const state = { received, nowMs: 0 };
  const log = new Proxy({} as Logger, { get: () => (_fields: object, text: string) => said.push(text) });
  const resumption = new Resumption({
    log,
    limits: LIMITS,
    received: () => state.received,
    ask: (from) => asked.push(from),
    nowMs: () => state.nowMs,
  });
  return { asked, said, state, resumption };
}

describe('the engine is asked', () => {
  test('on a connection, from the last event received, and from 1 where there is none', () => {
    const { asked, state, resumption } = rules(0n);
    resumption.connected();
    state.received = 41n;
    resumption.connected();
    expect(asked).toEqual([1n, 41n]);
  });

  test('at a hole once, then again with a growing pause as long as it lasts', () => {
    const { asked, state, said, resumption } = rules(41n);
    resumption.compared();
    const times: number[] = [];
    for (; state.nowMs < 2_000; state.nowMs += 10) {
      const before = asked.length;
      resumption.seen(50n + BigInt(state.nowMs));
      resumption.ahead(42n, 50n + BigInt(state.nowMs), 'trade 50');
      if (asked.length > before) times.push(state.nowMs);
    }
    expect(times).toEqual([0, 200, 600, 1_000, 1_400, 1_800]);
    expect(new Set(asked)).toEqual(new Set([41n]));
    expect(said).toHaveLength(1);
    expect(resumption.dropped).toBe(200);
    resumption.accepted();
    expect(said[1]).toBe('what was missing has come');
  });

  test('again where nothing comes at all, and seldom while the stream is whole', () => {
    const { asked, state, resumption } = rules(41n);
    resumption.connected();
    for (; state.nowMs <= 3_000; state.nowMs += 100) resumption.tick();
    expect(asked.length).toBeGreaterThanOrEqual(3);
    resumption.seen(41n);
    resumption.compared();
    const { length } = asked;
    for (; state.nowMs <= 9_000; state.nowMs += 100) expect(resumption.tick()).toBe(false);
    // A second and then two seconds after it was last heard or asked.
    expect(asked).toHaveLength(length + 2);
  });
});

test('a hole that is there each time the engine has gone back stops the stream by name', async () => {
  const { state, resumption } = rules(41n);
  const stop = await stopOf(() => {
    for (let round = 0; round < 10; round += 1) {
      for (const sequence of [40n, 41n]) resumption.seen(sequence);
      resumption.compared();
      resumption.seen(43n);
      resumption.ahead(42n, 43n, 'trade 43');
      state.nowMs += 1_000;
    }
  });
  expect(stop).toMatchObject({ reason: 'hole', sequence: '42', stated: '43', event: 'trade 43' });
  expect(state.nowMs).toBe(3_000);
});

describe('until the engine has shown that it goes on with the stream', () => {
  test('nothing new is taken, and old is', () => {
    const { state, resumption, asked } = rules(41n);
    expect(resumption.holdsBack(42n)).toBe(true);
    expect(resumption.holdsBack(41n)).toBe(false);
    expect(resumption.holdsBack(3n)).toBe(false);
    resumption.compared();
    expect(resumption.holdsBack(42n)).toBe(false);
    resumption.uncertain();
    state.nowMs += 2_000;
    expect(resumption.tick()).toBe(true);
    expect(resumption.holdsBack(42n)).toBe(true);
    expect(asked.length).toBeGreaterThan(0);
  });

  test('a stream without any event has nothing to be shown', () => {
    expect(rules(0n).resumption.holdsBack(1n)).toBe(false);
  });
});

test('what lasts is warned of after some seconds, again at growing intervals, and not once it is over', () => {
  let nowMs = 0;
  const warned: number[] = [];
  const silence = new Silence(
    (forMs) => warned.push(forMs),
    () => nowMs,
  );
  const pass = (toMs: number): void => {
    for (; nowMs <= toMs; nowMs += 500) silence.tick();
  };
  pass(20_000);
  expect(warned).toEqual([]);
  silence.begin();
  const begunMs = nowMs;
  pass(begunMs + 200_000);
  expect(warned).toEqual([5_000, 15_000, 35_000, 75_000, 135_000, 195_000]);
  silence.end();
  pass(nowMs + 100_000);
  expect(warned).toHaveLength(6);
});
