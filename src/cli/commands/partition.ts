/**
 * `settled partition`: how the partitions of a stream stand, and letting a halted one decide again. Who did so and why
 * stands in the workflow's history.
 */
import { InvalidArgumentError, type Command } from 'commander';
import { partitionWorkflowId, type PartitionStatus } from '../../workflows/contract.ts';
import { decidePartition } from '../decide.ts';
import { nextSteps, partitionStatuses, waitingText } from '../stream-status.ts';
import { decider, print, withStream, type StreamSession } from '../stream-session.ts';
import { runUrl } from '../temporal-connection.ts';

const REFUSED_EXIT_CODE = 3;

interface Flags {
  readonly stream?: string;
  readonly json?: boolean;
}

interface ResumeFlags extends Flags {
  readonly why: string;
  readonly who?: string;
}

type Answer = PartitionStatus | 'never-started' | 'no-answer';

/** One partition in JSON: its workflow's answer, or why there is none. */
function asJson(stream: string, partition: number, answer: Answer): object {
  const workflow = partitionWorkflowId(stream, partition);
  if (typeof answer === 'string') return { stream, partition, workflow, state: answer };
  return { ...answer, workflow, state: stateOf(answer) };
}

function stateOf(answer: Answer): string {
  if (typeof answer === 'string') return answer;
  if (answer.halt) return 'halted';
  if ((answer.dismissing ?? []).length > 0) return 'dismissing';
  return answer.unfinished > 0 ? 'settling' : 'idle';
}

function lines(partition: number, answer: Answer): string[] {
  const state = stateOf(answer);
  if (typeof answer === 'string') return [`${`${partition}`.padStart(5)}  ${state}`];
  const settled = `${answer.settledTotal} settled, ${answer.unfinished} chunks under way, lease ${answer.lease}`;
  return [
    `${`${partition}`.padStart(5)}  ${state.padEnd(14)} ${settled}`,
    ...answer.waiting.map(
      (waiting) => `       ${waiting.event} (sequence ${waiting.sequence}) ${waitingText(waiting)}`,
    ),
    ...nextSteps(answer).map((line) => `       ${line}`),
  ];
}

async function list({ stream, json }: Flags): Promise<void> {
  await withStream(stream, async (session) => {
    const { record } = session;
    const answers = await partitionStatuses(await session.temporal(), record);
    const partitions = answers.map((answer, at) => asJson(record.stream, at, answer));
    print(json, { stream: record.stream, partitions }, () =>
      answers.flatMap((answer, at) => lines(at, answer)),
    );
  });
}

async function show(partition: number, { stream, json }: Flags): Promise<void> {
  await withStream(stream, async (session) => {
    const { record, config } = session;
    requirePartition(session, partition);
    const client = await session.temporal();
    const answer = (await partitionStatuses(client, record, [partition]))[0] ?? 'no-answer';
    const workflow = partitionWorkflowId(record.stream, partition);
    const run = await client.workflow
      .getHandle(workflow)
      .describe()
      .catch(() => undefined);
    const url = run && runUrl(config, workflow, run.runId);
    print(json, { ...asJson(record.stream, partition, answer), temporalUi: url ?? null }, () => [
      `partition ${partition} of ${record.stream}, workflow ${workflow}`,
      ...lines(partition, answer),
      ...(url ? [`       ${url}`] : []),
    ]);
  });
}

const NEVER_STARTED = {
  outcome: 'refused',
  reason: 'not-halted',
  message: 'nothing was ever sent to this partition',
} as const;

async function resume(partition: number, flags: ResumeFlags): Promise<void> {
  await withStream(flags.stream, async (session) => {
    requirePartition(session, partition);
    const { stream } = session.record;
    const { taskQueue } = session.config.temporal;
    const place = { client: await session.temporal(), taskQueue, stream, partition };
    const request = { decision: 'resume' as const, who: decider(flags.who), why: flags.why };
    // Asking it to decide would start it.
    const [standing] = await partitionStatuses(place.client, session.record, [partition]);
    const result = standing === 'never-started' ? NEVER_STARTED : await decidePartition(place, request);
    const wasNotHalted = result.outcome === 'refused' && result.reason === 'not-halted';
    print(flags.json, { stream, partition, ...result }, () => [
      result.outcome === 'done'
        ? `Partition ${partition} of ${stream} goes on: ${result.lifted?.conflict.event ?? 'the event'} (sequence ${result.sequence}) is decided again.`
        : wasNotHalted
          ? `Partition ${partition} of ${stream} was not halted; nothing is changed.`
          : `Not done (${result.reason}): ${result.message}.`,
    ]);
    if (result.outcome === 'refused' && !wasNotHalted) process.exitCode = REFUSED_EXIT_CODE;
  });
}

function requirePartition({ record }: StreamSession, partition: number): void {
  if (partition < record.partitions) return;
  throw new Error(`stream ${record.stream} has partitions 0 to ${record.partitions - 1}, not ${partition}`);
}

function number(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('The number of a partition is needed.');
  return Number(text);
}

/** Adds the commands. */
export function register(program: Command): void {
  const partition = program.command('partition').description('look at partitions, and act on them');
  const add = (name: string, what: string, codes: string): Command =>
    partition
      .command(name)
      .description(`${what} (exit codes: ${codes})`)
      .option('--stream <name>', 'the stream (SETTLED_STREAM)')
      .option('--json', 'one JSON object');
  add('list', 'how each partition of a stream stands', '0 listed, 1 could not look').action(list);
  add('show', 'one partition, and what to do where it is halted', '0 shown, 1 could not look')
    .argument('<partition>', 'number of the partition', number)
    .action(show);
  add(
    'resume',
    'let a halted partition decide again, once the cause is mended',
    '0 it goes on or was not halted, 1 could not ask, 3 refused',
  )
    .argument('<partition>', 'number of the partition', number)
    .requiredOption('--why <text>', 'the reason (required); it stands in the history and in the database')
    .option('--who <name>', 'who decides (the user of this shell)')
    .action(resume);
}
