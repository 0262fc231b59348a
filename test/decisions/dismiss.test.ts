/**
 * Dismissals on the real servers: an event that conflicts halts its partition, a person passes over it, and what comes
 * behind it settles. Whatever the conflict, the audit stays clean and reports the dismissed event.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { PARTITION_LIMITS, partitionWorkflowId } from '../../src/workflows/contract.ts';
import { PARTITIONS, Rig } from '../ingest/rig.ts';
import { Stating } from './engine.ts';
import { balanceOf, decide, entriesOf, untilHalted } from './support.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterEach(async () => {
  await rig.stopWorker();
  await rig.clear();
});
afterAll(() => rig.stop());

describe('an event whose versions are free', () => {
  test('is settled as void: its versions are taken without a change, and later events follow', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    const stating = new Stating()
      .ledger('DEPOSIT', 1, 0, 10)
      .ledger('WITHDRAW', 1, 1, 15)
      .ledger('DEPOSIT', 1, 2, 5)
      .ledger('LOCK', 1, 3, 6);
    await rig.send(engine, stating.messages);
    await untilHalted(running, 2);
    await running.untilSettled(1);
    const result = await decide(rig, stream, 1, 'dismiss', 2);
    expect(result).toMatchObject({
      outcome: 'done',
      sequence: '2',
      lifted: { conflict: { reason: 'negative-balance' } },
      balances: [
        {
          user: '1',
          asset: 2,
          expected: '1',
          after: '2',
          found: '1',
          availableChange: '-15',
          frozenChange: '0',
          place: 'free',
        },
      ],
    });
    await running.untilSettled(4);
    expect(await balanceOf(rig, 1)).toBe('9 6 4 4');
    expect(await entriesOf(rig, 1)).toEqual(['1 deposit 1', '2 void 2', '3 deposit 3', '4 lock 4']);
    const report = await rig.audit(stream);
    expect(report.findings).toEqual([]);
  }, 60_000);

  test('takes each balance of a trade, and of one whose refund has two steps both versions', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    const stating = new Stating()
      .funded()
      .trade({ price: 11n, buyer_refund: 1n })
      .ledger('UNLOCK', 1, 4, 100)
      .ledger('DEPOSIT', 2, 1, 1)
      .ledger('DEPOSIT', 1, 1, 2, 1);
    await rig.send(engine, stating.messages);
    await untilHalted(running, 5);
    const result = await decide(rig, stream, 1, 'dismiss', 5);
    expect(result).toMatchObject({ outcome: 'done', lifted: { conflict: { reason: 'negative-balance' } } });
    await running.untilSettled(8);
    expect(await entriesOf(rig, 1)).toEqual([
      '1 deposit 1',
      '2 lock 2',
      '3 void 5',
      '4 void 5',
      '5 unlock 6',
    ]);
    expect(await balanceOf(rig, 1)).toBe('100 0 5 6');
    expect(await balanceOf(rig, 2, 1)).toBe('0 10 3 5');
    expect((await rig.audit(stream)).findings).toEqual([]);
  }, 60_000);
});

describe('an event whose versions another event has', () => {
  test('leaves nothing but the decision; what comes behind it builds on what is there', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    const stating = new Stating().ledger('DEPOSIT', 1, 0, 10);
    await rig.send(engine, stating.messages);
    await running.untilSettled(1);
    stating.ledger('DEPOSIT', 1, 0, 7).ledger('DEPOSIT', 1, 1, 5);
    await rig.send(engine, stating.messages.slice(1));
    await untilHalted(running, 2);
    expect(await decide(rig, stream, 1, 'dismiss', 2)).toMatchObject({
      outcome: 'done',
      lifted: { conflict: { reason: 'version-taken' } },
      balances: [{ place: 'taken' }],
    });
    await running.untilSettled(3);
    expect(await balanceOf(rig, 1)).toBe('15 0 2 3');
    expect(await entriesOf(rig, 1)).toEqual(['1 deposit 1', '2 deposit 3']);
    expect((await rig.audit(stream)).findings).toEqual([]);
  }, 60_000);

  test('still takes those of its balances that are free', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    const stating = new Stating().funded().ledger('DEPOSIT', 1, 2, 3);
    await rig.send(engine, stating.messages);
    await running.untilSettled(5);
    stating.trade().ledger('DEPOSIT', 2, 1, 1).ledger('DEPOSIT', 1, 3, 4);
    await rig.send(engine, stating.messages.slice(5));
    await untilHalted(running, 6);
    const result = await decide(rig, stream, 1, 'dismiss', 6);
    expect(result).toMatchObject({
      balances: [
        { user: '1', asset: 2, place: 'taken' },
        { user: '1', asset: 1, place: 'free' },
        { user: '2', asset: 1, place: 'free' },
        { user: '2', asset: 2, place: 'free' },
      ],
    });
    await running.untilSettled(8);
    expect(await balanceOf(rig, 2)).toBe('1 0 2 7');
    expect((await rig.audit(stream)).findings).toEqual([]);
  }, 60_000);
});

describe('a dismissal', () => {
  test('is known to the next run, and to a workflow whose history is lost', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const limits = { ...PARTITION_LIMITS, updatesPerRunMax: 2 };
    const first = await rig.ingest({ stream, endpoint: engine.endpoint, limits });
    const stating = new Stating()
      .ledger('DEPOSIT', 1, 0, 10)
      .ledger('WITHDRAW', 1, 1, 15)
      .ledger('WITHDRAW', 1, 2, 16)
      .ledger('DEPOSIT', 1, 3, 1);
    for (const message of stating.messages.slice(0, 2)) {
      await rig.send(engine, [message]);
    }
    await untilHalted(first, 2);
    await first.close();
    expect(await decide(rig, stream, 1, 'dismiss', 2)).toMatchObject({ outcome: 'done' });
    // Everything that Temporal knew is gone; the engine sends again what is not below the watermark.
    await forgetHistories(stream);
    const second = await rig.ingest({ stream, endpoint: engine.endpoint, limits });
    await rig.send(engine, stating.messages.slice(1));
    await untilHalted(second, 3);
    expect(await decide(rig, stream, 1, 'dismiss', 3)).toMatchObject({ outcome: 'done' });
    await second.untilSettled(4);
    expect(await entriesOf(rig, 1)).toEqual(['1 deposit 1', '2 void 2', '3 void 3', '4 deposit 4']);
    expect((await rig.audit(stream)).findings).toEqual([]);
  }, 90_000);

  async function forgetHistories(stream: string): Promise<void> {
    const ended = await Promise.all(
      Array.from({ length: PARTITIONS }, (_, partition) =>
        rig.temporal.workflow
          .getHandle(partitionWorkflowId(stream, partition))
          .terminate('lost')
          .then(
            () => true,
            () => false,
          ),
      ),
    );
    expect(ended).toContain(true);
  }
});
