/**
 * `settled quarantine`: looks at valid events that conflict, and decides about them: *retry*, once the cause is mended,
 * or *dismiss*. Each decision goes through the workflow of the event's partition, in whose history it stands.
 */
import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { readQuarantined, readQuarantinedEvent, type QuarantinedEvent } from '../../ledger/quarantine.ts';
import { readWatermark } from '../../ledger/streams.ts';
import { partitionWorkflowId, type DecideResult, type DecisionKind } from '../../workflows/contract.ts';
import { decidePartition } from '../decide.ts';
import {
  detailLines,
  differenceLines,
  dismissalView,
  listLine,
  quarantineView,
  type QuarantineView,
} from '../quarantine-view.ts';
import { decider, print, withStream, type StreamSession } from '../stream-session.ts';
import { uint63Argument } from '../uint63-argument.ts';

const NOT_CONFIRMED_EXIT_CODE = 2;
const REFUSED_EXIT_CODE = 3;
const NOT_YET_EXIT_CODE = 4;

/** How long `retry` waits for what comes of it, ms: an ingest looks at a halted partition every two seconds. */
const RETRY_WAIT_MS = 15_000;
const POLL_MS = 250;

interface Flags {
  readonly stream?: string;
  readonly json?: boolean;
  readonly all?: boolean;
  readonly who?: string;
  readonly why: string;
  readonly yes?: boolean;
}

async function list({ stream, json, all }: Flags): Promise<void> {
  await withStream(stream, async ({ cassandra, record }) => {
    const kept = await readQuarantined(cassandra, record.stream);
    const views = kept.map((one) => quarantineView(record, one));
    const shown = all ? views : views.filter(({ state }) => state !== 'settled' && state !== 'dismissed');
    print(json, { stream: record.stream, events: shown }, () =>
      shown.length > 0
        ? shown.map(listLine)
        : [`Nothing in quarantine waits in stream ${record.stream}${all ? '' : ' (--all shows what did)'}.`],
    );
  });
}

async function show(sequence: bigint, { stream, json }: Flags): Promise<void> {
  await withStream(stream, async (session) => {
    const one = await found(session, sequence);
    if (!one) return;
    const view = quarantineView(session.record, one);
    const dismissal = await dismissalView(session.cassandra, one);
    print(json, { ...view, row: one.row, dismissal }, () => [
      ...detailLines(view),
      `  row        ${one.row}`,
      dismissal.done ? 'Dismissed, it did this:' : 'If it is dismissed:',
      ...(dismissal.balances ? differenceLines(dismissal.balances) : [`  ${dismissal.problem}`]),
      ...nextLines(view),
    ]);
  });
}

function nextLines({ state, sequence, stream }: QuarantineView): string[] {
  if (state === 'dismissed' || state === 'settled') return [];
  const place = `${sequence} --stream ${stream} --why "…"`;
  return [
    'What can be done:',
    ...(state === 'dismissing' ? [] : [`  once the cause is mended:   settled quarantine retry ${place}`]),
    `  to pass over it for good:   settled quarantine dismiss ${place}`,
  ];
}

async function retry(sequence: bigint, flags: Flags): Promise<void> {
  await withStream(flags.stream, async (session) => {
    const one = await found(session, sequence);
    if (!one) return;
    const decidedAtMs = Date.now();
    const result = await decided(session, one, 'retry', flags);
    if (result.outcome === 'refused') {
      tellRefused(flags, session, sequence, result);
      return;
    }
    const state = await outcomeOf(session, sequence, decidedAtMs);
    const { cassandra, record } = session;
    const now = { ...record, watermark: await readWatermark(cassandra, record.stream) };
    const view = quarantineView(now, (await found(session, sequence)) ?? one);
    print(flags.json, { ...view, outcome: state }, () => [
      state === 'settled'
        ? `${view.event} (sequence ${sequence}) is settled.`
        : state === 'conflict'
          ? `${view.event} (sequence ${sequence}) conflicts again: ${view.reason}, balance ${view.user}/${view.asset}, expected ${view.expected}, found ${view.found}.`
          : `${view.event} (sequence ${sequence}) is let go, and not below the watermark yet: it waits to be decided again, or something before it is not settled. Is an ingest running? "settled status" tells.`,
    ]);
    if (state === 'conflict') process.exitCode = REFUSED_EXIT_CODE;
    if (state === 'not-yet') process.exitCode = NOT_YET_EXIT_CODE;
  });
}

/** What came of a retry, as far as it shows within the bound. */
async function outcomeOf(
  { cassandra, record }: StreamSession,
  sequence: bigint,
  decidedAtMs: number,
): Promise<'settled' | 'conflict' | 'not-yet'> {
  while (Date.now() < decidedAtMs + RETRY_WAIT_MS) {
    if ((await readWatermark(cassandra, record.stream)) >= sequence) return 'settled';
    const kept = await readQuarantinedEvent(cassandra, record.stream, sequence);
    if (kept && kept.foundAtMs > Math.max(decidedAtMs, kept.decision?.atMs ?? 0)) return 'conflict';
    await sleep(POLL_MS);
  }
  return 'not-yet';
}

async function dismiss(sequence: bigint, flags: Flags): Promise<void> {
  await withStream(flags.stream, async (session) => {
    const one = await found(session, sequence);
    if (!one) return;
    const view = quarantineView(session.record, one);
    const before = await dismissalView(session.cassandra, one);
    process.stderr.write(`${detailLines(view).join('\n')}\n`);
    if (before.balances)
      process.stderr.write(
        `Dismissed, it is never settled. What differs from the engine's book from then on:\n` +
          `${differenceLines(before.balances).join('\n')}\n`,
      );
    else process.stderr.write(`  ${before.problem}\n`);
    if (!flags.yes && !before.done && !(await isConfirmed(sequence))) {
      process.exitCode = NOT_CONFIRMED_EXIT_CODE;
      return;
    }
    const result = await decided(session, one, 'dismiss', flags);
    if (result.outcome === 'refused') {
      tellRefused(flags, session, sequence, result);
      return;
    }
    const { record } = session;
    const workflow = partitionWorkflowId(record.stream, one.partition);
    print(flags.json, { stream: record.stream, partition: one.partition, workflow, ...result }, () => [
      `${view.event} (sequence ${sequence}) is dismissed:`,
      ...differenceLines(result.balances ?? []),
      `Who, when and why stand in the history of ${workflow}, and "settled verify" reports it from now on.`,
    ]);
  });
}

async function isConfirmed(sequence: bigint): Promise<boolean> {
  if (!process.stdin.isTTY) {
    process.stderr.write('Not dismissed: no terminal to ask at. Say --yes if this is meant.\n');
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`There is no way back. Type ${sequence} to dismiss it: `);
    if (answer.trim() === `${sequence}`) return true;
    process.stderr.write('Not dismissed.\n');
    return false;
  } finally {
    terminal.close();
  }
}

async function found({ cassandra, record }: StreamSession, sequence: bigint) {
  const one = await readQuarantinedEvent(cassandra, record.stream, sequence);
  if (one) return one;
  process.stderr.write(`Sequence ${sequence} of stream ${record.stream} is not in quarantine.\n`);
  process.exitCode = REFUSED_EXIT_CODE;
  return undefined;
}

async function decided(
  session: StreamSession,
  { sequence, partition }: QuarantinedEvent,
  decision: DecisionKind,
  { who, why }: Flags,
): Promise<DecideResult> {
  const { taskQueue } = session.config.temporal;
  const { stream } = session.record;
  const place = { client: await session.temporal(), taskQueue, stream, partition };
  return decidePartition(place, { decision, sequence: `${sequence}`, who: decider(who), why });
}

function tellRefused(
  { json }: Flags,
  { record }: StreamSession,
  sequence: bigint,
  result: DecideResult & { readonly outcome: 'refused' },
): void {
  if (json) print(true, { stream: record.stream, sequence: `${sequence}`, ...result }, () => []);
  process.stderr.write(`Not done (${result.reason}): ${result.message}.\n`);
  process.exitCode = REFUSED_EXIT_CODE;
}

/** Adds the commands. */
export function register(program: Command): void {
  const quarantine = program
    .command('quarantine')
    .description('look at events that conflict, and decide about them');
  const add = (name: string, what: string, codes: string): Command =>
    quarantine
      .command(name)
      .description(`${what} (exit codes: ${codes})`)
      .option('--stream <name>', 'the stream (SETTLED_STREAM)')
      .option('--json', 'one JSON object');
  const decision = (name: string, what: string, codes: string): Command =>
    add(name, what, codes)
      .argument('<sequence>', "the event's sequence", uint63Argument('sequence'))
      .requiredOption('--why <text>', 'the reason (required); it stands in the history and in the database')
      .option('--who <name>', 'who decides (the user of this shell)');
  add('list', 'events that wait for a decision', '0 listed, 1 could not look')
    .option('--all', 'also those that are settled or dismissed by now')
    .action(list);
  add('show', 'what was found, and what a dismissal would do', '0 shown, 1 could not look, 3 no such event')
    .argument('<sequence>', "the event's sequence", uint63Argument('sequence'))
    .action(show);
  decision(
    'retry',
    'decide an event again, once the cause is mended',
    '0 settled, 1 could not ask, 3 refused or in conflict again, 4 let go, but not below the watermark yet',
  ).action(retry);
  decision(
    'dismiss',
    'pass over an event for good: it is settled as void',
    '0 dismissed, 1 could not ask or not known how far it came, 2 not confirmed, 3 refused',
  )
    .option('--yes', 'do not ask for confirmation')
    .action(dismiss);
}
