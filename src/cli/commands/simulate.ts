/**
 * `settled simulate`: stands in for a matching engine and sends its stream, or a recorded one, to whoever settles it. Data
 * goes to stdout, talk to stderr. It ends only when all was handed to the peer, or says by exit code 1 that it was not.
 */

import { open, type FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PublisherOpenError, PushPublisher } from '../../publisher/push.ts';
import { SCENARIOS, type Scenario, SimulationOptionsError } from '../../simulator/options.ts';
import { writeOracle } from '../../simulator/oracle.ts';
import {
  encoded,
  fromSequence,
  type Outgoing,
  recorded,
  UnnumberedMessageError,
} from '../../simulator/outgoing.ts';
import { RecordingError, recordingLine } from '../../simulator/recording.ts';
import { sendStream, type SentCounts } from '../../simulator/send.ts';
import { Simulation } from '../../simulator/simulation.ts';

/** Stream files are written in pieces of about this size. */
const FILE_PIECE_CHARACTERS = 256 * 1024;
const PROGRESS_INTERVAL_MS = 250;

interface Flags {
  readonly endpoint: string;
  readonly connect?: true;
  readonly scenario: Scenario;
  readonly seed: number;
  readonly trades?: number;
  readonly users?: number;
  readonly firstUser?: bigint;
  readonly hot?: true;
  readonly zipf?: true;
  readonly from?: string;
  readonly firstSequence?: bigint;
  readonly rate?: number;
  readonly streamFile?: string;
  readonly oracleFile?: string;
  readonly send: boolean;
  readonly waitSeconds: number;
  readonly json?: true;
}

/** Adds `simulate` to a program. */
export function register(program: Command): void {
  program
    .command('simulate')
    .description(
      'stand in for a matching engine: send a simulated or recorded stream (exit codes: 0 all taken, 1 not)',
    )
    .option(
      '--endpoint <tcp://host:port>',
      'where to bind (port 0 or *: a free one), or connect',
      'tcp://127.0.0.1:5557',
    )
    .option('--connect', 'connect to the endpoint instead of binding it')
    .addOption(
      new Option('--scenario <name>', 'what to simulate').choices(SCENARIOS).default('three-traders'),
    )
    .option('--seed <n>', 'the same seed gives the same stream', count, 1)
    .option('--trades <n>', 'exactly so many trades (three-traders: 136, random: 1000)', count)
    .option('--users <n>', 'so many users (three-traders: 3, random: 100)', count)
    .option('--first-user <id>', 'number users from here on (random spreads them over 63 bits)', integer)
    .option('--hot', 'one market maker takes part in every trade')
    .option('--zipf', "draw users by Zipf's law, with five market makers")
    .option('--from <file>', 'send a recorded stream instead, verbatim')
    .option(
      '--first-sequence <n>',
      'pass over messages of a lower number: sends the tail of a stream again',
      integer,
    )
    .option('--rate <n>', 'events a second (otherwise as fast as they are taken)', positive)
    .option('--stream-file <file>', 'also write what is sent as a recording')
    .option('--oracle-file <file>', 'write the balances that the whole simulated stream must lead to')
    .option('--no-send', 'only write the files')
    .option(
      '--wait-seconds <n>',
      'how long to wait for a peer, and at the end for it to take what is queued',
      positive,
      60,
    )
    .option('--json', 'print the outcome as one JSON object')
    .action(async (flags: Flags) => {
      const failure = await simulate(flags).catch((error: unknown) => {
        if (isExpected(error)) return (error as Error).message;
        throw error;
      });
      if (failure === undefined) return;
      say(failure);
      process.exitCode = 1;
    });
}

/** Runs the command. Resolves with why it failed, or undefined. */
async function simulate(flags: Flags): Promise<string | undefined> {
  if (flags.from !== undefined && flags.oracleFile !== undefined) {
    return 'a recording has no oracle: --oracle-file needs a simulated stream';
  }
  if (
    flags.from !== undefined &&
    flags.streamFile !== undefined &&
    resolve(flags.from) === resolve(flags.streamFile)
  ) {
    return '--stream-file would overwrite the recording that --from reads';
  }
  const simulation = flags.from === undefined ? new Simulation(flags) : undefined;
  const file = flags.streamFile === undefined ? undefined : await open(flags.streamFile, 'w');
  try {
    const publisher = flags.send ? await openPublisher(flags) : undefined;
    try {
      return await run(flags, simulation, publisher, file);
    } finally {
      await publisher?.close();
    }
  } finally {
    await file?.close();
  }
}

async function run(
  flags: Flags,
  simulation: Simulation | undefined,
  publisher: PushPublisher | undefined,
  file: FileHandle | undefined,
): Promise<string | undefined> {
  if (publisher !== undefined && !(await publisher.waitForPeer(flags.waitSeconds * 1000))) {
    return `no peer came to ${publisher.endpoint} within ${flags.waitSeconds} s; nothing was sent`;
  }
  const whole = simulation === undefined ? recorded(flags.from!) : encoded(simulation.events());
  const stream = flags.firstSequence === undefined ? whole : fromSequence(whole, flags.firstSequence);
  const startMs = performance.now();
  const lines = file === undefined ? undefined : new LineWriter(file);
  const progress = new Progress();
  const sent = await sendStream(stream, publisher, {
    ...(flags.rate === undefined ? {} : { ratePerSecond: flags.rate }),
    onSent: (message, soFar) => {
      progress.show(soFar);
      return lines?.write(message);
    },
  });
  progress.end();
  await lines?.flush();
  const elapsedMs = performance.now() - startMs;
  if (simulation !== undefined && flags.oracleFile !== undefined) {
    await writeOracle(flags.oracleFile, simulation.oracle());
  }
  const ending = await publisher?.close();
  report(flags, sent, elapsedMs, publisher, ending);
  if (ending === undefined || ending === 'delivered') {
    post({ type: 'sent', counts: sent.counts });
    return undefined;
  }
  return ending === 'timed-out'
    ? `the peer did not take all messages within ${flags.waitSeconds} s; those still queued were dropped`
    : 'the peer was lost before it had taken all messages; those still queued were dropped';
}

async function openPublisher(flags: Flags): Promise<PushPublisher> {
  const publisher = await PushPublisher.open({
    endpoint: flags.endpoint,
    connect: flags.connect ?? false,
    lingerMs: flags.waitSeconds * 1000,
    onDisconnect: () =>
      say('a peer was lost; messages that it had not taken are dropped, send again from its last number'),
  });
  say(`${flags.connect ? 'connecting to' : 'listening on'} ${publisher.endpoint}`);
  post({ type: 'listening', endpoint: publisher.endpoint });
  return publisher;
}

function report(
  flags: Flags,
  sent: SentCounts,
  elapsedMs: number,
  publisher: PushPublisher | undefined,
  ending: string | undefined,
): void {
  const outcome = {
    endpoint: publisher?.endpoint ?? null,
    messages: sent.messages,
    counts: sent.counts,
    firstSequence: sent.firstSequence?.toString() ?? null,
    lastSequence: sent.lastSequence?.toString() ?? null,
    bytes: sent.bytes,
    elapsedMs: Math.round(elapsedMs),
    delivered: ending === undefined ? null : ending === 'delivered',
    peersLost: publisher?.peersLost ?? 0,
    streamFile: flags.streamFile ?? null,
    oracleFile: flags.oracleFile ?? null,
  };
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
    return;
  }
  const kinds = Object.entries(sent.counts).map(([kind, number]) => `${number} ${kind}`);
  process.stdout.write(
    `${sent.messages} messages ${publisher === undefined ? 'generated' : 'sent'}` +
      (outcome.firstSequence === null
        ? ''
        : `, numbers ${outcome.firstSequence} to ${outcome.lastSequence}`) +
      (kinds.length === 0 ? '\n' : `: ${kinds.join(', ')}\n`),
  );
}

/** Writes recorded lines in large pieces, and waits for the disk. */
class LineWriter {
  readonly #file: FileHandle;
  #text = '';

  constructor(file: FileHandle) {
    this.#file = file;
  }

  write(message: Outgoing): void | Promise<void> {
    this.#text += `${recordingLine(message.frames)}\n`;
    if (this.#text.length >= FILE_PIECE_CHARACTERS) return this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    await this.#file.appendFile(text);
  }
}

/** A line on stderr that is written over; on a terminal only. */
class Progress {
  #shownMs = 0;

  show(sent: SentCounts): void {
    if (!process.stderr.isTTY || (sent.messages & 0xff) !== 0) return;
    const nowMs = performance.now();
    if (nowMs - this.#shownMs < PROGRESS_INTERVAL_MS) return;
    this.#shownMs = nowMs;
    process.stderr.write(`\r${sent.messages} messages`);
  }

  end(): void {
    if (this.#shownMs > 0) process.stderr.write('\r\u001b[K');
  }
}

function isExpected(error: unknown): boolean {
  return (
    error instanceof SimulationOptionsError ||
    error instanceof PublisherOpenError ||
    error instanceof RecordingError ||
    error instanceof UnnumberedMessageError ||
    (error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string' && 'path' in error)
  );
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Tells a parent process, where there is one that listens. */
function post(message: object): void {
  process.send?.(message);
}

function integer(text: string): bigint {
  if (!/^\d{1,19}$/.test(text)) throw new InvalidArgumentError('An integer of 0 or more is needed.');
  return BigInt(text);
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('A whole number is needed.');
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || value > 1e7) throw new InvalidArgumentError('A number above 0 is needed.');
  return value;
}
