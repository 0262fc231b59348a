/**
 * What a person types when something is wrong: status says what holds the stream up and what to type next; partition,
 * quarantine and rejected look and decide, each with its exit codes.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { partitionOf } from '../../src/domain/partition.ts';
import { DECIDE_UPDATE, partitionWorkflowId } from '../../src/workflows/contract.ts';
import { PARTITIONS, Rig, until } from '../ingest/rig.ts';
import { allBalances, changeByHand, putBack, type BalanceRow } from '../support/by-hand.ts';
import { Stating } from './engine.ts';
import { settled, settledJson, untilHalted } from './support.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterEach(async () => {
  await rig.stopWorker();
  await rig.clear();
});
afterAll(() => rig.stop());

const PARTITION = `${partitionOf(1n, PARTITIONS)}`;
const OTHER = `${partitionOf(2n, PARTITIONS)}`;

describe('a stream that is held up', () => {
  test('is looked at, decided again in vain, and passed on by its event’s dismissal', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    const stating = new Stating()
      .ledger('DEPOSIT', 1, 0, 10)
      .ledger('WITHDRAW', 1, 1, 15)
      .ledger('DEPOSIT', 2, 0, 1);
    await rig.send(engine, stating.messages);
    await untilHalted(running, 2);
    await running.untilSettled(1);
    const run = (...args: string[]) => settled(rig, stream, ...args);

    const status = await run('status');
    expect(status.code).toBe(3);
    expect(status.stdout).toMatch(
      new RegExp(
        `held up: partition ${PARTITION} waits for a person since 20.* by withdraw \\(sequence 2\\): negative-balance, balance 1/2, expected 15, found 10`,
      ),
    );
    for (const step of ['show 2', 'retry 2', 'dismiss 2'])
      expect(status.stdout).toContain(`settled quarantine ${step} --stream ${stream}`);
    expect(status.stdout).toMatch(/other partitions go on until \d+ events are in flight/);

    const partitions = await settledJson(rig, stream, 'partition', 'list');
    const states = partitions.json['partitions'] as { partition: number; state: string }[];
    expect(states).toHaveLength(PARTITIONS);
    expect(states.filter(({ state }) => state === 'halted').map(({ partition }) => `${partition}`)).toEqual([
      PARTITION,
    ]);
    expect((await run('partition', 'show', PARTITION)).stdout).toContain('settled quarantine dismiss 2');
    expect((await run('partition', 'resume', OTHER, '--why', 'a test')).stdout).toContain('was not halted');
    expect(await run('partition', 'show', '99')).toMatchObject({ code: 1 });

    const list = await settledJson(rig, stream, 'quarantine', 'list');
    expect(list).toMatchObject({
      code: 0,
      json: { stream, events: [{ sequence: '2', state: 'waiting', reason: 'negative-balance' }] },
    });
    const shown = await run('quarantine', 'show', '2');
    expect(shown.stdout).toContain(
      "the engine's book changed available by -15 and frozen by 0, here nothing",
    );
    expect(await run('quarantine', 'show', '1')).toMatchObject({ code: 3 });

    const retried = await settledJson(rig, stream, 'quarantine', 'retry', '2', '--why', 'hope');
    expect(retried).toMatchObject({
      code: 3,
      json: { outcome: 'conflict', decision: { decision: 'retry' } },
    });

    const unsure = await run('quarantine', 'dismiss', '2', '--why', 'wrong');
    expect(unsure).toMatchObject({ code: 2, stdout: '' });
    expect(unsure.stderr).toContain('no terminal to ask at');
    expect(await run('quarantine', 'dismiss', '2', '--yes')).toMatchObject({ code: 1 });
    const dismissed = await settledJson(
      rig,
      stream,
      'quarantine',
      'dismiss',
      '2',
      '--why',
      'the engine was wrong',
      '--who',
      'bea',
      '--yes',
    );
    expect(dismissed).toMatchObject({
      code: 0,
      json: { stream, outcome: 'done', sequence: '2', balances: [{ place: 'free' }] },
    });
    await running.untilSettled(3);
    await until('the halt is gone', async () => (await run('status')).code === 0);
    const all = await settledJson(rig, stream, 'quarantine', 'list', '--all');
    expect(all.json).toMatchObject({
      events: [{ state: 'dismissed', decision: { who: 'bea', why: 'the engine was wrong' } }],
    });
    expect((await run('quarantine', 'list')).stdout).toContain('Nothing in quarantine waits');

    // Who decided what, when and why stands in the history of the partition's workflow.
    const history = await rig.temporal.workflow
      .getHandle(partitionWorkflowId(stream, Number(PARTITION)))
      .fetchHistory();
    const decisions = (history.events ?? []).flatMap((event) => {
      const input = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input;
      if (input?.name !== DECIDE_UPDATE) return [];
      return [JSON.parse(Buffer.from(input.args?.payloads?.[0]?.data ?? []).toString()) as object];
    });
    expect(decisions).toEqual([
      { decision: 'retry', sequence: '2', who: expect.any(String), why: 'hope' },
      { decision: 'dismiss', sequence: '2', who: 'bea', why: 'the engine was wrong' },
    ]);
  }, 120_000);
});

describe('an event that conflicts with what a hand did', () => {
  test('settles by retry or resume once that is mended, and waits for an ingest where there is none', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    const stating = new Stating().ledger('DEPOSIT', 1, 0, 10);
    await rig.send(engine, stating.messages);
    await running.untilSettled(1);
    const { client } = rig.database;
    /** The next event, which conflicts with what a hand did just before, and what was there before that. */
    const conflictingNext = async (): Promise<readonly BalanceRow[]> => {
      const before = await allBalances(client);
      await changeByHand(client, 1n, 2);
      stating.ledger('DEPOSIT', 1, stating.sequence, 5);
      await rig.send(engine, stating.messages.slice(-1));
      await untilHalted(running, stating.sequence);
      return before;
    };
    const mended = async (before: readonly BalanceRow[]): Promise<void> => {
      await rig.stopWorker();
      await putBack(client, 1n, 2, before);
      await rig.startWorker();
    };

    await mended(await conflictingNext());
    const retried = await settledJson(rig, stream, 'quarantine', 'retry', '2', '--why', 'mended');
    expect(retried).toMatchObject({ code: 0, json: { outcome: 'settled', state: 'settled' } });

    await mended(await conflictingNext());
    const resumed = await settled(rig, stream, 'partition', 'resume', PARTITION, '--why', 'mended');
    expect(resumed).toMatchObject({ code: 0 });
    expect(resumed.stdout).toContain('goes on: deposit (sequence 3) is decided again');
    await running.untilSettled(3);

    const before = await conflictingNext();
    await running.close();
    await mended(before);
    const waiting = await settledJson(rig, stream, 'quarantine', 'retry', '4', '--why', 'mended');
    expect(waiting).toMatchObject({ code: 4, json: { outcome: 'not-yet' } });
    const again = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, stating.messages.slice(-2));
    await again.untilSettled(4);
    expect(await rig.audit(stream)).toMatchObject({ ok: true, counts: { events: 4 } });
  }, 120_000);
});

describe('a message that was rejected', () => {
  test('is listed, shown byte for byte, and decoded again with the configuration of now', async () => {
    await rig.startWorker();
    const stream = rig.stream();
    const engine = await rig.engine();
    // Ten at 15 each by a divisor of 100 is no whole amount of the quote asset.
    const running = await rig.ingest({ stream, endpoint: engine.endpoint, divisorOf: () => 100n });
    const stating = new Stating().funded().trade({ price: 15n });
    await rig.send(engine, stating.messages);
    expect(await running.ended).toMatchObject({ kind: 'stopped', stop: { reason: 'rejected' } });
    const list = await settledJson(rig, stream, 'rejected', 'list');
    const [message] = list.json['messages'] as { id: string; reason: string; sequence: string }[];
    expect(message).toMatchObject({ reason: 'indivisible', sequence: '5' });
    const id = message?.id ?? '';
    const shown = await settledJson(rig, stream, 'rejected', 'show', id);
    const frames = (shown.json['frames'] as string[]).map((frame) => Buffer.from(frame, 'base64'));
    expect(frames).toEqual([...(stating.messages[4] ?? [])]);
    expect((await settled(rig, stream, 'rejected', 'show', id)).stdout).toContain('"price":15');
    expect(await settled(rig, stream, 'rejected', 'show', '9-9')).toMatchObject({ code: 3 });

    const divisor = (value: number) => ({
      env: (name: string) => ({
        ...rig.env(name),
        SETTLED_INSTRUMENTS: JSON.stringify([{ baseAsset: 1, quoteAsset: 2, divisor: value }]),
      }),
    });
    const still = await settledJson(divisor(100), stream, 'rejected', 'retry', id);
    expect(still).toMatchObject({ code: 3, json: { outcome: 'rejected' } });
    const now = await settled(divisor(10), stream, 'rejected', 'retry', id);
    expect(now.code).toBe(0);
    expect(now.stdout).toContain('It is a valid event now: trade 7005 (sequence 5)');
    expect(now.stdout).toContain('let the engine send from sequence 5 on');

    const again = await rig.ingest({ stream, endpoint: engine.endpoint, divisorOf: () => 10n });
    await rig.send(engine, stating.messages.slice(3));
    await until('it is received', () => again.ingest.progress.accepted === 1);
    const received = await settledJson(divisor(10), stream, 'rejected', 'retry', id);
    expect(received).toMatchObject({ code: 0, json: { outcome: 'received' } });
  }, 90_000);
});
