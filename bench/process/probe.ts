/**
 * A sender that also watches: how long a trade takes from its socket until its row can be read, alone or among many at
 * a steady rate, and how long a lone Update takes whose activity does nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client as CassandraClient } from 'cassandra-driver';
import { Push } from 'zeromq';
import { ledgerOptions } from '../../src/cli/ledger-options.ts';
import { temporalClient } from '../../src/cli/temporal-connection.ts';
import { loadConfig } from '../../src/config/index.ts';
import { connect } from '../../src/ledger/connection.ts';
import { readSegment, TOPIC_FRAME } from '../stream/segment.ts';
import { noopUpdate, type ActivityKind } from '../workflows/index.ts';
import { serve } from './serve.ts';

/** Between two lone samples, ms: what the last one left behind, such as a persisted watermark, is over by then. */
const PAUSE_MS = 40;
/** Polling begins at this share of the least time seen so far: before that it could only disturb. */
const POLL_FROM = 0.7;
/** Under load a row is looked for each time that so much of the time so far has passed again, at least so many ms. */
const POLL_STEP = 0.03;
const POLL_STEP_MS_MIN = 2;
/** Under a steady rate no trade leaves earlier than so long before it is due. */
const EARLY_MS_MAX = 0.5;
const ROW_MS_MAX = 60_000;
const SELECT_ROW =
  'SELECT sequence FROM settled_trades WHERE trade_id = ? AND stream = ? AND output_sequence = ?';

const config = loadConfig(process.env);
const cassandra: CassandraClient = await connect(ledgerOptions(config));
const temporal = await temporalClient(config);
const socket = new Push({ sendHighWaterMark: 1_000, linger: 5_000, immediate: true });
await socket.bind('tcp://127.0.0.1:*');
let leastMs = Number.POSITIVE_INFINITY;

/** Whether the row of a frame's trade can be read. */
async function isReadable(key: readonly [bigint, bigint]): Promise<boolean> {
  const params = [key[0], config.stream.name, key[1]];
  return (await cassandra.execute(SELECT_ROW, params, { prepare: true })).rowLength > 0;
}

/** Trade id and number of a frame. */
function keyOf(frame: Buffer): readonly [bigint, bigint] {
  const text = frame.toString('latin1');
  const [, trade = '', sequence = ''] = /"trade_id":(\d+).*"output_sequence":(\d+)/.exec(text) ?? [];
  return [BigInt(trade), BigInt(sequence)];
}

/** Resolves with the time from `sinceMs` until the row can be read, ms. */
async function untilReadable(
  frame: Buffer,
  sinceMs: number,
  stepMs: (elapsedMs: number) => number,
): Promise<number> {
  const key = keyOf(frame);
  const untilMs = Number.isFinite(leastMs) ? leastMs * POLL_FROM - (performance.now() - sinceMs) : 0;
  if (untilMs >= 1) await sleep(untilMs);
  for (;;) {
    const isThere = await isReadable(key);
    const elapsedMs = performance.now() - sinceMs;
    if (isThere) {
      leastMs = Math.min(leastMs, elapsedMs);
      return elapsedMs;
    }
    if (elapsedMs > ROW_MS_MAX)
      throw new Error(`trade ${key[0]} is not readable after ${ROW_MS_MAX / 1000} s`);
    const step = stepMs(elapsedMs);
    if (step > 0) await sleep(step);
  }
}

/** Sends all of a segment, as fast as it is taken. */
async function send({ path }: { path: string }): Promise<void> {
  for (const frame of readSegment(path)) await socket.send([TOPIC_FRAME, frame]);
}

/** Trades and Updates by turns, each alone. */
async function lone(options: {
  path: string;
  workflowId: string;
  kind: ActivityKind;
}): Promise<{ tradesMs: number[]; updatesMs: number[] }> {
  const handle = temporal.workflow.getHandle(options.workflowId);
  const [tradesMs, updatesMs]: [number[], number[]] = [[], []];
  leastMs = Number.POSITIVE_INFINITY;
  for (const frame of readSegment(options.path)) {
    const sentMs = performance.now();
    await socket.send([TOPIC_FRAME, frame]);
    tradesMs.push(await untilReadable(frame, sentMs, () => 0));
    await sleep(PAUSE_MS);
    const askedMs = performance.now();
    await handle.executeUpdate(noopUpdate, { args: [options.kind] });
    updatesMs.push(performance.now() - askedMs);
    await sleep(PAUSE_MS);
  }
  return { tradesMs, updatesMs };
}

/** Sends a segment at a steady rate and watches a sample of it. A trade's time counts from when it was due. */
async function paced(options: {
  path: string;
  rate: number;
  sampleEveryMs: number;
}): Promise<{ tradesMs: number[] }> {
  const intervalMs = 1000 / options.rate;
  const watched: Promise<number>[] = [];
  const startedMs = performance.now();
  leastMs = Number.POSITIVE_INFINITY;
  let sampledMs = startedMs;
  let sent = 0;
  for (const frame of readSegment(options.path)) {
    const dueMs = startedMs + sent * intervalMs;
    // Timers are coarse: what is due by then leaves together.
    while (dueMs - performance.now() > EARLY_MS_MAX) await sleep(1);
    const sentMs = performance.now();
    await socket.send([TOPIC_FRAME, frame]);
    sent += 1;
    if (dueMs - sampledMs < options.sampleEveryMs) continue;
    sampledMs = dueMs;
    const step = (elapsedMs: number): number => Math.max(POLL_STEP_MS_MIN, POLL_STEP * elapsedMs);
    const one = untilReadable(frame, Math.min(dueMs, sentMs), step);
    // A failure is told when all are awaited.
    one.catch(() => undefined);
    watched.push(one);
  }
  return { tradesMs: await Promise.all(watched) };
}

serve({ endpoint: () => socket.lastEndpoint, send, lone, paced }, async () => {
  socket.close();
  await Promise.all([cassandra.shutdown(), temporal.connection.close()]);
});
