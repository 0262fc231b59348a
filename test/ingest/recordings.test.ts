/**
 * Recorded classic streams over a real socket: whole ones lead to exactly the books of their engine; one with a line
 * missing stops where its engine's versions show it, with everything before it settled.
 */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { OracleFile } from '../../src/audit/index.ts';
import { recording } from '../wire/messages.ts';
import { Rig } from './rig.ts';

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start();
  await rig.startWorker();
});
afterEach(() => rig.clear());
afterAll(() => rig.stop());

type Name = Parameters<typeof recording>[0];

function oracleOf(name: Name): OracleFile {
  return JSON.parse(
    readFileSync(new URL(`../data/${name}.oracle.json`, import.meta.url), 'utf8'),
  ) as OracleFile;
}

async function openClassic(stream: string) {
  const engine = await rig.engine();
  return { engine, running: await rig.ingest({ stream, endpoint: engine.endpoint, dialect: 'classic' }) };
}

describe('a recorded classic stream', () => {
  test('of three traders settles to the books of its engine', async () => {
    const stream = rig.stream();
    const { engine, running } = await openClassic(stream);
    await rig.send(engine, recording('classic-e2e'));
    await running.untilSettled(343);
    expect((await running.close()).progress).toMatchObject({ accepted: 343, duplicates: 0, rejected: {} });
    expect(await rig.audit(stream, oracleOf('classic-e2e'))).toMatchObject({
      ok: true,
      findings: [],
      oracle: true,
    });
  });

  test('with 50 phantom locks settles to the books of its engine, and keeps those and nothing else aside', async () => {
    const stream = rig.stream();
    const { engine, running } = await openClassic(stream);
    const messages = recording('classic-phantom-locks');
    await rig.send(engine, messages);
    await running.untilSettled(messages.length - 50);
    const ending = await running.close();
    expect(ending).toMatchObject({
      kind: 'closed',
      unsettled: 0,
      progress: { rejected: { 'phantom-lock': 50 } },
    });
    const kept = await rig.rejected(stream);
    expect(kept.map(({ reason }) => reason)).toEqual(Array(50).fill('phantom-lock'));
    for (const { arrival, frames } of kept) expect(frames).toEqual(messages[Number(arrival) - 1]);
    expect(await rig.audit(stream, oracleOf('classic-phantom-locks'))).toMatchObject({
      ok: true,
      findings: [],
      counts: { rejected: 50, rejectedByReason: { 'phantom-lock': 50 } },
    });
  }, 90_000);

  test('may announce trades again, as such engines do', async () => {
    const messages = recording('classic-e2e');
    const trades = messages.filter(([, data]) => data.includes('"trade_id"'));
    const stream = rig.stream();
    const { engine, running } = await openClassic(stream);
    await rig.send(engine, [
      ...messages.slice(0, 200),
      ...trades.slice(0, 20),
      ...messages.slice(200),
      ...trades,
    ]);
    await running.untilSettled(343);
    await running.close();
    expect(running.ingest.progress.rejected).toEqual({});
    expect(running.ingest.progress.duplicates).toBeGreaterThanOrEqual(20);
    expect(await rig.audit(stream, oracleOf('classic-e2e'))).toMatchObject({ ok: true });
  });

  interface Fields {
    readonly event_type?: string;
    readonly user_id?: number;
    readonly currency?: number;
    readonly trade_id?: number;
    readonly buyer_user_id?: number;
    readonly seller_user_id?: number;
    readonly base_asset?: number;
    readonly quote_asset?: number;
  }

  /** The users and assets of recordings are small; ids are not, and are not looked at here. */
  const fieldsOf = ([, data]: readonly [Buffer, Buffer]): Fields => JSON.parse(data.toString()) as Fields;

  function touches(message: Fields, user: number, asset: number): boolean {
    const users = [message.buyer_user_id, message.seller_user_id];
    return users.includes(user) && [message.base_asset, message.quote_asset].includes(asset);
  }

  test.each(['LOCK', 'DEPOSIT'])(
    'without one %s stops at the next trade of that balance, which states one version more',
    async (kind) => {
      const messages = recording('classic-e2e');
      const candidates = messages.flatMap((message, index) =>
        fieldsOf(message).event_type === kind ? [index] : [],
      );
      const missing = candidates[Math.floor(candidates.length / 2)]!;
      const { user_id: user = 0, currency: asset = 0 } = fieldsOf(messages[missing]!);
      const damaged = messages.toSpliced(missing, 1);
      const at = damaged.findIndex(
        (message, index) => index >= missing && touches(fieldsOf(message), user, asset),
      );
      const stream = rig.stream();
      const { engine, running } = await openClassic(stream);
      await rig.send(engine, damaged);
      const ending = await running.ended;
      expect(ending).toMatchObject({
        kind: 'stopped',
        unsettled: 0,
        stop: { reason: 'version-mismatch', user: `${user}`, asset },
        progress: { messages: at + 1 },
      });
      const { stop } = ending;
      const id = /"trade_id":(\d+)/.exec(damaged[at]![1].toString())?.[1];
      expect(stop?.event).toBe(`trade ${id} (sequence ${stop?.sequence})`);
      expect(BigInt(stop?.stated ?? 0)).toBeGreaterThan(BigInt(stop?.expected ?? 0));
      expect(stop?.sequence).toBe(`${ending.progress.accepted + 1}`);
      expect(await rig.audit(stream)).toMatchObject({
        ok: true,
        counts: { events: ending.progress.accepted },
      });
    },
  );

  test('without one trade stops at the next one, and has settled everything before', async () => {
    const messages = recording('classic-e2e');
    const trades = messages.flatMap((message, index) =>
      fieldsOf(message).trade_id === undefined ? [] : [index],
    );
    const missing = trades[80]!;
    const damaged = messages.toSpliced(missing, 1);
    const stream = rig.stream();
    const { engine, running } = await openClassic(stream);
    await rig.send(engine, damaged);
    const ending = await running.ended;
    expect(ending).toMatchObject({ kind: 'stopped', unsettled: 0, progress: { messages: trades[81]! } });
    expect(['version-mismatch', 'hole']).toContain(ending.stop?.reason);
    expect(ending.stop?.sequence).toBe(`${ending.progress.accepted + 1}`);
    expect(await rig.audit(stream)).toMatchObject({ ok: true, counts: { events: ending.progress.accepted } });
    // Later events would be settled as if nothing were missing: only a person's word opens it again.
    const again = { stream, dialect: 'classic', bind: true, endpoint: 'tcp://127.0.0.1:*' } as const;
    await expect(rig.ingest(again)).rejects.toThrow(/stopped at sequence .*--after-stop/);
    const reopened = await rig.ingest({ ...again, afterStop: true });
    expect((await rig.record(stream))?.stopped).toBeUndefined();
    await reopened.close();
  });
});
