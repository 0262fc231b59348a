/** `settled event show`: what a stream received under a number, and what became of it. */
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readLine, writeLines } from '../../src/ledger/stream-log.ts';
import { Rig, simulated } from '../ingest/rig.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/settled.mjs', import.meta.url));

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
  await rig.startWorker();
});
afterEach(() => rig.clear());
afterAll(() => rig.stop());

interface Shown {
  readonly received: { readonly kind: string; readonly id: string; readonly digest: string };
  readonly settled: { readonly kind: string; readonly digest: string; readonly legs: unknown[] } | null;
}

describe('an event', () => {
  test('is shown by its number, a trade and a ledger event alike, with its row and run', async () => {
    const stream = rig.stream();
    const { messages, trades } = simulated({ trades: 20, seed: 3 });
    const engine = await rig.engine();
    const running = await rig.ingest({ stream, endpoint: engine.endpoint });
    await rig.send(engine, messages);
    await running.untilSettled(messages.length);
    const show = (sequence: number, ...args: string[]) =>
      execa(process.execPath, [PROGRAM, 'event', 'show', `${sequence}`, ...args], {
        env: rig.env(stream),
        reject: false,
      });
    let shownTrades = 0;
    const trade = 1 + messages.findIndex(([, body]) => body.includes('"trade_id"'));
    for (const sequence of [1, trade]) {
      const { stdout, exitCode, stderr } = await show(sequence, '--json');
      expect(exitCode, stderr).toBe(0);
      const { received, settled } = JSON.parse(stdout) as Shown;
      expect(settled).toMatchObject({
        kind: received.kind,
        digest: received.digest,
        sequence: `${sequence}`,
      });
      expect(settled?.legs).toHaveLength(received.kind === 'trade' ? 4 : 1);
      if (received.kind === 'trade') shownTrades += 1;
    }
    expect(trades).toBeGreaterThan(0);
    expect(shownTrades).toBe(1);
    const { stdout } = await show(1);
    expect(stdout).toMatch(
      /sequence 1 of .*: deposit 1\n.*received .*digest [0-9a-f]{64}[^]*leg 1: deposit — user/,
    );

    const next = messages.length + 1;
    const none = await show(next);
    expect(none.exitCode).toBe(3);
    expect(none.stderr).toContain(`Nothing was received under sequence ${next} of stream ${stream}`);
    const { client } = rig.database;
    const line = (await readLine(client, stream, 1n))!;
    await writeLines(client, stream, [{ ...line, sequence: BigInt(next), id: BigInt(next) }]);
    expect((await show(next)).stdout).toContain('not settled');
  });
});
