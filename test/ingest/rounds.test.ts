/** Rounds: when what has gathered leaves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Rounds } from '../../src/ingest/rounds.ts';

/** Partitions as one heap of events: each cut takes all of it. */
function roundsUnderTest() {
  const pauses: { readonly ms: number; readonly over: () => void }[] = [];
  const sent: { readonly events: number; readonly cameBack: () => void }[] = [];
  let gathered = 0;
  let blocked = false;
  const rounds = new Rounds({
    cut: () => {
      if (gathered === 0 || blocked) return [];
      const events = gathered;
      gathered = 0;
      return [new Promise<void>((resolve) => sent.push({ events, cameBack: resolve }))];
    },
    gathered: () => gathered,
    full: 10,
    roundsMax: 4,
    pause: (ms) => new Promise((resolve) => pauses.push({ ms, over: resolve })),
  });
  return {
    sent,
    /** Ends the pauses of that length which began so far. */
    pass: async (ms: number) => {
      for (const pause of pauses.filter((one) => one.ms === ms)) pause.over();
      await sleep(5);
    },
    block: (is: boolean) => (blocked = is),
    hurry: async () => {
      rounds.hurry();
      await sleep(5);
    },
    push: async (events: number) => {
      gathered += events;
      rounds.wake();
      await sleep(5);
    },
    wake: async () => {
      rounds.wake();
      await sleep(5);
    },
    sizes: () => sent.map(({ events }) => events),
  };
}

describe('a round', () => {
  test('leaves at once with a lone event; what comes meanwhile leaves when that is back', async () => {
    const { push, sizes, sent } = roundsUnderTest();
    await push(1);
    await push(1);
    await push(2);
    expect(sizes()).toEqual([1]);
    sent[0]?.cameBack();
    await sleep(5);
    expect(sizes()).toEqual([1, 3]);
  });

  test('leaves beside others when it is full', async () => {
    const { push, sizes } = roundsUnderTest();
    await push(1);
    await push(9);
    expect(sizes()).toEqual([1]);
    await push(1);
    expect(sizes()).toEqual([1, 10]);
    await push(10);
    expect(sizes()).toEqual([1, 10, 10]);
  });

  test('never leaves beside as many as there may be, however much has gathered', async () => {
    const { push, sizes, sent } = roundsUnderTest();
    for (let round = 0; round < 6; round += 1) await push(10);
    expect(sizes()).toEqual([10, 10, 10, 10]);
    sent[2]?.cameBack();
    await sleep(5);
    expect(sizes()).toEqual([10, 10, 10, 10, 20]);
  });

  test('that is not full leaves beside others where nothing has left for a while', async () => {
    const { push, pass, sizes } = roundsUnderTest();
    await push(1);
    await push(1);
    expect(sizes()).toEqual([1]);
    await pass(2_000);
    expect(sizes()).toEqual([1, 1]);
    await push(2);
    expect(sizes()).toEqual([1, 1]);
    await pass(2_000);
    expect(sizes()).toEqual([1, 1, 2]);
  });

  test('that comes when nothing has left for a while leaves at once', async () => {
    const { push, pass, sizes } = roundsUnderTest();
    await push(1);
    await pass(2_000);
    await push(1);
    expect(sizes()).toEqual([1, 1]);
  });

  test('that does not come back counts for a bounded time only', async () => {
    const { push, pass, sizes } = roundsUnderTest();
    for (let round = 0; round < 5; round += 1) await push(10);
    expect(sizes()).toEqual([10, 10, 10, 10]);
    await pass(5_000);
    expect(sizes()).toEqual([10, 10, 10, 10, 10]);
  });

  test('that no partition takes part in counts for nothing: what gathered leaves when one is free', async () => {
    const { push, block, wake, sizes } = roundsUnderTest();
    block(true);
    await push(1);
    await push(1);
    await push(1);
    expect(sizes()).toEqual([]);
    block(false);
    await wake();
    expect(sizes()).toEqual([3]);
  });

  test('leaves at once, whatever is under way, when nothing more will come', async () => {
    const { push, hurry, sizes } = roundsUnderTest();
    for (let round = 0; round < 4; round += 1) await push(1);
    expect(sizes()).toEqual([1]);
    await hurry();
    await push(3);
    expect(sizes()).toEqual([1, 3, 3]);
  });
});
