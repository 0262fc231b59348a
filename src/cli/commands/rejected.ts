/**
 * `settled rejected`: messages that are no valid event, as they were kept byte for byte, and what the configuration of
 * now says of them. A message that was refused has no event, so no partition can act on it: where it would be taken now,
 * the engine must send it again, and this says so.
 */
import { InvalidArgumentError, type Command } from 'commander';
import { describeEvent } from '../../domain/event.ts';
import { readRejected, type RejectedMessage } from '../../ledger/rejected.ts';
import { readLine } from '../../ledger/stream-log.ts';
import { decodeMessage, type Decoded } from '../../wire/decode.ts';
import { divisors } from '../divisors.ts';
import { print, withStream, type StreamSession } from '../stream-session.ts';

const STILL_REJECTED_EXIT_CODE = 3;
/** Characters of a frame that are shown as text. */
const FRAME_TEXT_MAX = 2_000;

interface Flags {
  readonly stream?: string;
  readonly json?: boolean;
}

interface Id {
  readonly lease: bigint;
  readonly arrival: bigint;
}

/** "3-17": the 17th message that the ingest of lease 3 received. */
function idOf({ lease, arrival }: Id): string {
  return `${lease}-${arrival}`;
}

function asJson(message: RejectedMessage): object {
  const { stream, reason, faults, sequence, afterSequence, frames, receivedAtMs } = message;
  return {
    id: idOf(message),
    stream,
    reason,
    faults,
    ...(sequence === undefined ? {} : { sequence: `${sequence}` }),
    afterSequence: `${afterSequence}`,
    receivedAt: new Date(receivedAtMs).toISOString(),
    frames: frames.map((frame) => frame.toString('base64')),
  };
}

function line(message: RejectedMessage): string {
  const { reason, sequence, afterSequence, receivedAtMs, frames } = message;
  const place = sequence === undefined ? `after sequence ${afterSequence}` : `sequence ${sequence}`;
  const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
  return `${idOf(message).padStart(10)}  ${new Date(receivedAtMs).toISOString()}  ${reason.padEnd(20)} ${place}, ${bytes} bytes`;
}

async function list({ stream, json }: Flags): Promise<void> {
  await withStream(stream, async ({ cassandra, record }) => {
    const messages: RejectedMessage[] = [];
    for await (const message of readRejected(cassandra, record.stream)) messages.push(message);
    messages.sort((a, b) => Number(a.lease - b.lease) || Number(a.arrival - b.arrival));
    print(json, { stream: record.stream, messages: messages.map(asJson) }, () =>
      messages.length > 0 ? messages.map(line) : [`Nothing was rejected in stream ${record.stream}.`],
    );
  });
}

async function show(id: Id, { stream, json }: Flags): Promise<void> {
  await withStream(stream, async (session) => {
    const message = await found(session, id);
    if (!message) return;
    print(json, asJson(message), () => [
      line(message),
      ...message.faults.map((fault) => `  ${fault}`),
      ...message.frames.map((frame, at) => `  frame ${at + 1}: ${frameText(frame)}`),
    ]);
  });
}

/** A frame as text where it is text, otherwise in hexadecimal. */
function frameText(frame: Buffer): string {
  const text = frame.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(frame) && !/[\p{Cc}]/u.test(text);
  const shown = isText ? text : frame.toString('hex');
  return shown.length > FRAME_TEXT_MAX ? `${shown.slice(0, FRAME_TEXT_MAX)}… (${frame.length} bytes)` : shown;
}

async function retry(id: Id, { stream, json }: Flags): Promise<void> {
  await withStream(stream, async (session) => {
    const message = await found(session, id);
    if (!message) return;
    const { config, record } = session;
    const decoded = decodeMessage(message.frames, record.dialect, {
      receivedAtMs: message.receivedAtMs,
      divisorOf: divisors(config),
    });
    const verdict = await verdictOf(session, message, decoded);
    print(json, { ...asJson(message), ...verdict }, () => [line(message), ...verdict.lines]);
    if (verdict.outcome === 'rejected') process.exitCode = STILL_REJECTED_EXIT_CODE;
  });
}

interface Verdict {
  /** `received`: the stream has this number by now, with the same content, or with another. */
  readonly outcome: 'rejected' | 'valid' | 'received' | 'other-content' | 'phantom-lock';
  readonly lines: readonly string[];
}

async function verdictOf(
  { cassandra, record }: StreamSession,
  message: RejectedMessage,
  decoded: Decoded,
): Promise<Verdict> {
  const { stream, dialect, watermark } = record;
  if (decoded.kind === 'rejected')
    return {
      outcome: 'rejected',
      lines: ['It is still no valid event:', ...decoded.faults.map((fault) => `  ${fault}`)],
    };
  if (message.reason === 'phantom-lock')
    return {
      outcome: 'phantom-lock',
      lines: [
        'The message is well-formed. It was refused for its place in the stream: the engine announced a lock above what ' +
          'was available, which it had refused itself. There is nothing to settle.',
      ],
    };
  const { event, digest } = decoded;
  if (dialect === 'classic')
    return {
      outcome: 'valid',
      lines: [
        `It is a valid ${event.kind} now. A classic engine cannot send it again, and its place in the stream has passed: ` +
          'hold the balances against the engine with "settled verify --oracle".',
      ],
    };
  const logged = await readLine(cassandra, stream, event.sequence);
  if (logged)
    return logged.digest.equals(digest)
      ? {
          outcome: 'received',
          lines: [
            `${describeEvent(event)} was received since, with the same content: nothing is to be done.`,
          ],
        }
      : {
          outcome: 'other-content',
          lines: [
            `It is a valid event now, ${describeEvent(event)}, but the stream has another content under that number.`,
          ],
        };
  return {
    outcome: 'valid',
    lines: [
      `It is a valid event now: ${describeEvent(event)}. Nothing is settled by this command: the stream stopped at that ` +
        `number, and only its engine may say what stands there.`,
      `Start the ingest again (settled ingest --stream ${stream}) and let the engine send from sequence ${watermark + 1n} on.`,
    ],
  };
}

async function found({ cassandra, record }: StreamSession, id: Id): Promise<RejectedMessage | undefined> {
  for await (const message of readRejected(cassandra, record.stream))
    if (message.lease === id.lease && message.arrival === id.arrival) return message;
  process.stderr.write(`No message ${idOf(id)} was rejected in stream ${record.stream}.\n`);
  process.exitCode = STILL_REJECTED_EXIT_CODE;
  return undefined;
}

function parseId(text: string): Id {
  const [, lease, arrival] = /^(\d{1,18})-(\d{1,18})$/.exec(text) ?? [];
  if (lease === undefined || arrival === undefined)
    throw new InvalidArgumentError(
      'The id of a rejected message is needed, as "settled rejected list" shows it.',
    );
  return { lease: BigInt(lease), arrival: BigInt(arrival) };
}

/** Adds the commands. */
export function register(program: Command): void {
  const rejected = program.command('rejected').description('look at messages that are no valid event');
  const add = (name: string, what: string, codes: string): Command =>
    rejected
      .command(name)
      .description(`${what} (exit codes: ${codes})`)
      .option('--stream <name>', 'the stream (SETTLED_STREAM)')
      .option('--json', 'one JSON object; frames in base64');
  add('list', 'what was rejected, with reasons', '0 listed, 1 could not look').action(list);
  add('show', 'one message, its faults and its bytes', '0 shown, 1 could not look, 3 no such message')
    .argument('<id>', 'its id in the list', parseId)
    .action(show);
  add(
    'retry',
    'decode a message again with the configuration of now, and say what would come of it; settles nothing',
    '0 it is valid now or needs nothing, 1 could not look, 3 no such message or still rejected',
  )
    .argument('<id>', 'its id in the list', parseId)
    .action(retry);
}
