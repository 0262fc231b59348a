/** What the simulated database promises of a LOGGED BATCH: the limit of a doubt rests on it. */
import { expect, test, vi } from 'vitest';
import { Delivery, QUORUM } from './delivery.ts';
import { Faults } from './faults.ts';
import { Random } from './random.ts';
import { Replica, type Mutation } from './replica.ts';
import { Scheduler } from './scheduler.ts';

const WHOLE_MS = 20_000;
const MUTATIONS: readonly Mutation[] = ['balance', 'event'].map((partition) => ({
  partition,
  clustering: '1',
  row: { columns: new Map([['version', 0]]), values: [1n], time: 1n },
}));

/** A delivery which one replica misses, maybe for good, while others are down. */
function delivery(seed: number, down: number) {
  const scheduler = new Scheduler();
  const replicas = Array.from({ length: 3 }, () => new Replica());
  const random = new Random(seed);
  const first = random.below(replicas.length);
  for (let count = 0; count < down; count += 1)
    replicas[(first + count) % replicas.length]!.downUntilMs = scheduler.nowMs + 60_000;
  const faults = new Faults(random);
  vi.spyOn(faults, 'strikes').mockReturnValue(true);
  const run = (ms: number): void => {
    const untilMs = scheduler.nowMs + ms;
    scheduler.in(scheduler.world, ms, () => undefined);
    while (scheduler.nowMs < untilMs) scheduler.step();
  };
  const having = (): number[] =>
    MUTATIONS.map(
      ({ partition, clustering }) => replicas.filter((replica) => replica.row(partition, clustering)).length,
    );
  return { delivery: new Delivery(replicas, { scheduler, random, faults, onTie: vi.fn() }), run, having };
}

test.each([0, 1, 2])('a batch is at a quorum when its log was replayed, with %i replicas down', (down) => {
  let lacking = 0;
  for (let seed = 1; seed <= 50; seed += 1) {
    const { delivery: one, run, having } = delivery(seed, down);
    one.spread(MUTATIONS, 0, vi.fn(), vi.fn(), QUORUM, WHOLE_MS);
    run(WHOLE_MS - 1);
    if (having().some((replicas) => replicas < QUORUM)) lacking += 1;
    run(2);
    expect(
      having().every((replicas) => replicas >= QUORUM),
      `seed ${seed}`,
    ).toBe(true);
  }
  // Without the log some would not have been.
  expect(lacking > 0).toBe(down > 0);
});

test('a plain write that a replica misses while another is down stays at one', () => {
  let lacking = 0;
  for (let seed = 1; seed <= 50; seed += 1) {
    const { delivery: one, run, having } = delivery(seed, 1);
    one.spread(MUTATIONS, 0, vi.fn(), vi.fn(), QUORUM);
    run(WHOLE_MS + 1);
    if (having().some((replicas) => replicas < QUORUM)) lacking += 1;
  }
  expect(lacking).toBeGreaterThan(0);
});
