/**
 * Each reason of a conflict, reached over the wire on the real servers: it halts its partition, stands in quarantine, and
 * can be dismissed or, once its cause is mended, be decided again.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ConflictReason } from '../../src/domain/decision.ts';
import { INT64_MAX } from '../../src/domain/integers.ts';
import { partitionOf } from '../../src/domain/partition.ts';
import { readQuarantinedEvent } from '../../src/ledger/quarantine.ts';
import { PARTITIONS, Rig } from '../ingest/rig.ts';
import { Stating } from './engine.ts';
import { balanceOf, decide, untilHalted } from './support.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterEach(async () => {
  await rig.stopWorker();
  await rig.clear();
});
afterAll(() => rig.stop());

interface Case {
  readonly reason: ConflictReason;
  /** Settled before. */
  readonly before: Stating;
  /** What a hand does to the database meanwhile. */
  readonly prepare?: (stream: string) => Promise<unknown>;
  /** Adds the event that conflicts. */
  readonly state: (stating: Stating) => Stating;
  /** How the event's balances stand to its dismissal. */
  readonly places: readonly string[];
  /** What the audit finds all the same: the hand's doing, not ours. */
  readonly findings?: readonly string[];
}

const cases: readonly Case[] = [
  {
    reason: 'negative-balance',
    before: new Stating().ledger('DEPOSIT', 1, 0, 5),
    state: (stating) => stating.ledger('LOCK', 1, 1, 6),
    places: ['free'],
  },
  {
    reason: 'overflow',
    before: new Stating().ledger('DEPOSIT', 1, 0, INT64_MAX),
    state: (stating) => stating.ledger('DEPOSIT', 1, 1, 1),
    places: ['free'],
  },
  {
    reason: 'version-taken',
    before: new Stating().ledger('DEPOSIT', 1, 0, 5),
    state: (stating) => stating.ledger('DEPOSIT', 1, 0, 5),
    places: ['taken'],
  },
  {
    reason: 'version-between',
    before: new Stating().funded(),
    state: (stating) => stating.trade({ buyer_quote_version: 1n, buyer_refund: 1n }),
    places: ['taken', 'free', 'free', 'free'],
  },
  {
    reason: 'gap',
    before: new Stating().ledger('DEPOSIT', 1, 0, 5),
    state: (stating) => stating.ledger('DEPOSIT', 1, 4, 5),
    places: ['gap'],
  },
  {
    reason: 'doubt',
    before: new Stating().ledger('DEPOSIT', 1, 0, 1).ledger('DEPOSIT', 1, 1, 1).ledger('DEPOSIT', 1, 2, 1),
    state: (stating) => stating.ledger('DEPOSIT', 1, 0, 1),
    places: ['taken'],
  },
  {
    reason: 'write-time',
    before: new Stating().ledger('DEPOSIT', 1, 0, 5),
    prepare: () =>
      rig.database.client.execute(
        'UPDATE user_balances SET available = 9 WHERE user_id = 1 AND asset_id = 2',
        [],
        { prepare: false },
      ),
    state: (stating) => stating.ledger('DEPOSIT', 1, 1, 5),
    places: ['by-hand'],
    findings: ['asset-total', 'balance-mismatch', 'write-time'],
  },
  {
    reason: 'other-content',
    before: new Stating().ledger('DEPOSIT', 1, 0, 5),
    prepare: (stream) =>
      rig.database.client.execute(
        `INSERT INTO ledger_events (stream, bucket, sequence, kind) VALUES ('${stream}', 0, 2, 'lock')`,
        [],
        { prepare: false },
      ),
    state: (stating) => stating.ledger('DEPOSIT', 1, 0, 5),
    places: ['row-taken'],
    findings: ['cell', 'write-time'],
  },
];

describe('a conflict', () => {
  test.each(cases)(
    'of reason $reason halts its partition until it is dismissed',
    async ({ reason, before, prepare, state, places, findings = [] }) => {
      await rig.startWorker({ doubtMs: 300 });
      const stream = rig.stream();
      const engine = await rig.engine();
      const running = await rig.ingest({ stream, endpoint: engine.endpoint });
      await rig.send(engine, before.messages);
      const settledBefore = before.sequence;
      await running.untilSettled(settledBefore);
      await prepare?.(stream);
      const stating = state(before);
      const sequence = stating.sequence;
      stating.ledger('DEPOSIT', 77, 0, 1);
      await rig.send(engine, stating.messages.slice(settledBefore));
      await untilHalted(running, sequence);
      const [halted] = running.ingest.progress.halted;
      expect(halted?.halt.conflict).toMatchObject({ sequence: `${sequence}`, reason });
      const result = await decide(rig, stream, 1, 'dismiss', sequence);
      if (result.outcome !== 'done') throw new Error(result.message);
      expect(result.balances?.map(({ place }) => place)).toEqual(places);
      await running.untilSettled(stating.sequence);
      const report = await rig.audit(stream);
      expect([...new Set(report.findings.map(({ kind }) => kind))].sort()).toEqual(findings);
      expect(report.dismissed).toMatchObject([
        { sequence: `${sequence}`, finished: true, row: places.includes('free'), who: 'ann', why: 'a test' },
      ]);
      const kept = await readQuarantinedEvent(rig.database.client, stream, BigInt(sequence));
      expect(kept).toMatchObject({ reason, decision: { word: 'dismissed', who: 'ann', why: 'a test' } });
    },
    60_000,
  );

  test('with a dismissed predecessor, in another partition, is decided without it', async () => {
    const [buyer, seller] = [1, 3];
    expect(partitionOf(BigInt(buyer), PARTITIONS)).not.toBe(partitionOf(BigInt(seller), PARTITIONS));
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    const stating = new Stating()
      .ledger('DEPOSIT', buyer, 0, 100)
      .ledger('LOCK', buyer, 1, 100)
      .ledger('DEPOSIT', seller, 0, 30, 1)
      .ledger('LOCK', seller, 1, 20, 1)
      .ledger('UNLOCK', seller, 2, 1, 1);
    await rig.send(engine, stating.messages);
    await running.untilSettled(5);
    // The engine states a version of the seller's that the unlock has, and goes on from there.
    stating.trade({ seller_user_id: BigInt(seller) }).ledger('UNLOCK', seller, 3, 1, 1);
    await rig.send(engine, stating.messages.slice(5));
    await untilHalted(running, 6);
    await untilHalted(running, 7);
    const reasons = running.ingest.progress.halted.map(({ halt }) => halt.conflict.reason);
    expect(reasons.toSorted()).toEqual(['predecessor', 'version-taken']);
    expect(await decide(rig, stream, buyer, 'dismiss', 6)).toMatchObject({ outcome: 'done' });
    expect(await decide(rig, stream, seller, 'retry', 7)).toMatchObject({
      outcome: 'done',
      lifted: { conflict: { reason: 'predecessor' } },
    });
    await running.untilSettled(7);
    expect(await balanceOf(rig, seller, 1)).toBe('12 18 4 7');
    expect((await rig.audit(stream)).findings).toEqual([]);
  }, 60_000);

  test('whose cause is mended is settled when it is decided again, and refused before', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const wrong = await rig.ingest({ stream, endpoint: engine.endpoint });
    // 100 of the quote asset are frozen; without the instrument's divisor the trade would cost 10 000.
    const stating = new Stating().funded().trade({ price: 1_000n });
    await rig.send(engine, stating.messages);
    await untilHalted(wrong, 5);
    expect(await decide(rig, stream, 1, 'retry', 4)).toMatchObject({
      outcome: 'refused',
      reason: 'other-halt',
    });
    await wrong.close();
    const right = await rig.ingest({ stream, endpoint: engine.endpoint, divisorOf: () => 100n });
    await rig.send(engine, stating.messages.slice(3));
    expect(await decide(rig, stream, 1, 'retry', 5)).toMatchObject({
      outcome: 'done',
      lifted: { conflict: { reason: 'negative-balance' } },
    });
    await right.untilSettled(5);
    expect(await balanceOf(rig, 1)).toBe('0 0 3 5');
    expect((await rig.audit(stream)).findings).toEqual([]);
    expect(await decide(rig, stream, 1, 'dismiss', 5)).toMatchObject({
      outcome: 'refused',
      reason: 'already-settled',
    });
    expect(await decide(rig, stream, 1, 'retry', 5)).toMatchObject({
      outcome: 'refused',
      reason: 'not-halted',
    });
    expect(await decide(rig, stream, 1, 'dismiss', 4)).toMatchObject({
      outcome: 'refused',
      reason: 'not-quarantined',
    });
  }, 60_000);
});
