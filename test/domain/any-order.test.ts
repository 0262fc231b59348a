/**
 * The law that lets partitions run without locks: however a stream is split into chunks and partitions, and in whatever
 * order these have their turns, deciding and calculating leads to the oracle's balances, with the same chain, step by
 * step. Pure: a map stands for the database.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Balance } from '../../src/domain/balance.ts';
import { balanceName } from '../../src/domain/balance.ts';
import { calculate } from '../../src/domain/calculate.ts';
import { decide, type Decision } from '../../src/domain/decision.ts';
import { entriesOf, type LedgerEntry } from '../../src/domain/entries.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import type { RequestedEvent } from '../../src/settlement/settle-request.ts';
import { byPartition, pieces, seeded, simulatedStream, type Books } from '../support/simulated.ts';
import { untouched } from './events.ts';

/** A database without time: rows of events, balances, entries. */
class World {
  readonly balances = new Map<string, Balance>();
  readonly rows = new Map<bigint, Buffer>();
  readonly entries = new Map<string, LedgerEntry>();

  /** Decides about an event and, where it is ready, settles it. */
  settle({ event, digest, predecessors }: RequestedEvent): Decision['kind'] {
    const legs = legsOf(event);
    const touches = touchesOf(legs);
    const before = touches.map((touch) => this.balances.get(balanceName(touch)) ?? untouched(touch));
    const row = this.rows.get(event.sequence);
    const decision = decide({
      sequence: event.sequence,
      touches: touches.map((touch, at) => ({
        ...touch,
        predecessor: predecessors[at],
        foundVersion: before[at]!.version,
        foundLastSequence: before[at]!.lastSequence,
        writeTimeNormal: true,
      })),
      ownRow: row ? (row.equals(digest) ? 'same' : 'other') : 'absent',
      watermarkBefore: this.watermark,
      readIssuedMs: 0,
      readEndedMs: 0,
      doubtLimitMs: 1,
    });
    if (decision.kind !== 'ready') return decision.kind;
    const result = calculate(event, digest, legs, touches, before);
    if (result.kind === 'conflict') throw new Error(`${event.sequence}: ${result.reason}`);
    this.rows.set(event.sequence, digest);
    for (const [at, touch] of touches.entries()) this.balances.set(balanceName(touch), result.balances[at]!);
    for (const entry of entriesOf('s', event, result.legs)) {
      const key = `${balanceName(entry)}@${entry.version}`;
      if (this.entries.has(key)) throw new Error(`${key} was brought twice`);
      this.entries.set(key, entry);
    }
    return 'ready';
  }

  get watermark(): bigint {
    let watermark = 0n;
    while (this.rows.has(watermark + 1n)) watermark += 1n;
    return watermark;
  }

  get books(): Books {
    return new Map(
      [...this.balances].map(([name, { available, frozen, version }]) => [
        name,
        `${available} ${frozen} ${version}`,
      ]),
    );
  }
}

/** Settles a stream, one chunk of any partition at a time; what is behind goes back to its partition's front. */
function inAnyOrder(
  events: readonly RequestedEvent[],
  partitions: number,
  chunkMax: number,
  seed: number,
): World {
  const below = seeded(seed);
  const world = new World();
  const lanes = byPartition(events, partitions).map((lane) => pieces(lane, chunkMax, below));
  while (lanes.length > 0) {
    const at = below(lanes.length);
    const lane = lanes[at]!;
    const [chunk = []] = lane;
    const behind = chunk.filter((one) => {
      const kind = world.settle(one);
      expect(['ready', 'behind']).toContain(kind);
      return kind === 'behind';
    });
    if (behind.length > 0) lane[0] = behind;
    else lane.shift();
    if (lane.length === 0) lanes.splice(at, 1);
  }
  return world;
}

describe('a stream', () => {
  it.each([
    { scenario: 'three-traders' },
    { scenario: 'random', users: 20, trades: 120 },
    { scenario: 'random', users: 1, trades: 60 },
    { scenario: 'random', users: 30, trades: 100, hot: true },
  ] as const)('leads to the oracle’s balances however it is split and interleaved: %j', (options) => {
    const { events, books } = simulatedStream(options);
    const inOrder = inAnyOrder(events, 1, events.length, 0);
    expect(inOrder.books).toEqual(books);
    const split = fc.record({ partitions: fc.integer({ min: 1, max: 16 }), seed: fc.nat() });
    const chunks = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(split, chunks, ({ partitions, seed }, chunkMax) => {
        const world = inAnyOrder(events, partitions, chunkMax, seed);
        expect(world.balances).toEqual(inOrder.balances);
        expect(world.entries).toEqual(inOrder.entries);
        expect(world.watermark).toBe(BigInt(events.length));
      }),
      { numRuns: 8 },
    );
  });

  it('that is sent again is found settled, event by event, and changes nothing', () => {
    const { events } = simulatedStream({ scenario: 'random', users: 10, trades: 60 });
    const world = inAnyOrder(events, 4, 10, 1);
    const before = new Map(world.balances);
    expect(new Set(events.map((one) => world.settle(one)))).toEqual(new Set(['settled']));
    expect(world.balances).toEqual(before);
  });

  it('of which one event says something else halts there, and there alone', () => {
    const { events } = simulatedStream({ scenario: 'random', users: 10, trades: 60 });
    const world = inAnyOrder(events, 4, 10, 1);
    const changed = events.map((one) =>
      one.event.sequence === 17n ? { ...one, digest: Buffer.alloc(32, 1) } : one,
    );
    const kinds = changed.map((one) => world.settle(one));
    expect(kinds.filter((kind) => kind === 'conflict')).toHaveLength(1);
    expect(kinds[16]).toBe('conflict');
  });
});
