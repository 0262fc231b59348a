/**
 * `settled simulate`: stands in for a matching engine and sends its stream, or a recorded one, to whoever settles it. Data
 * goes to stdout, talk to stderr. A numbered stream goes through an outbox on disk, and the command ends when all of it is
 * settled; a recording, or a stream without an outbox, is handed to the peer. Exit code 1 says that it was not.
 */

import { open, type FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { ConfigError, loadConfig } from '../../config/index.ts';
import { LiveLine } from '../../logging/live-line.ts';
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
import { curveOf } from '../curve.ts';
import { isWireError, OutboxWire, PushWire, type EngineWire } from '../engine-wire.ts';

/** Stream files are written in pieces of about this size. */
const FILE_PIECE_CHARACTERS = 256 * 1024;
const PROGRESS_INTERVAL_MS = 250;

interface Flags {
  readonly endpoint: string;
  readonly control: string;
  readonly stream?: string;
  readonly outbox?: string | false;
  readonly outboxEventsMax?: number;
  readonly connect?: true;
  readonly curveSecretKey?: string;
  readonly curvePeerKeys?: string;
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
      'stand in for a matching engine: send a simulated or recorded stream (exit codes: 0 all settled, or taken where there is no outbox; 1 not)',
    )
    .option(
      '--endpoint <tcp://host:port>',
      'where to bind (port 0 or *: a free one), or connect',
      'tcp://127.0.0.1:5557',
    )
    .option('--control <tcp://host:port>', 'the control socket beside it', 'tcp://127.0.0.1:5558')
    .option('--curve-secret-key <file>', 'our CURVE secret key (settled keygen): the sockets are encrypted')
    .option('--curve-peer-keys <file>', 'public keys of the ingests that may connect, a line each')
    .option('--connect', 'connect to the endpoints instead of binding them')
    .option('--stream <name>', 'the name of the stream (SETTLED_STREAM)')
    .option(
      '--outbox <folder>',
      'where a numbered stream is kept until it is settled; the same command goes on with it (default for a simulated stream: outbox/STREAM in SETTLED_HOME)',
    )
    .option(
      '--outbox-events-max <n>',
      'how many events that are not settled the outbox takes before it makes the engine wait (5 000 000)',
      count,
    )
    .option('--no-outbox', 'send without an outbox: what is lost on the wire stays lost')
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
    .option(
      '--rate <n>',
      'events a second, beside those that the outbox has (otherwise as fast as they are taken)',
      positive,
    )
    .option('--stream-file <file>', 'also write what is sent as a recording')
    .option('--oracle-file <file>', 'write the balances that the whole simulated stream must lead to')
    .option('--no-send', 'only write the files')
    .option(
      '--wait-seconds <n>',
      'how long to wait for a peer, and at the end for something to be taken, or settled',
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
    const wire = flags.send ? await openWire(flags) : undefined;
    try {
      return await run(flags, simulation, wire, file);
    } finally {
      await wire?.close();
    }
  } finally {
    await file?.close();
  }
}

async function run(
  flags: Flags,
  simulation: Simulation | undefined,
  wire: EngineWire | undefined,
  file: FileHandle | undefined,
): Promise<string | undefined> {
  const notBegun = await wire?.begin(flags.waitSeconds * 1000);
  if (notBegun !== undefined) return notBegun;
  const whole = simulation === undefined ? recorded(flags.from!) : encoded(simulation.events());
  const stream = flags.firstSequence === undefined ? whole : fromSequence(whole, flags.firstSequence);
  const startMs = performance.now();
  const lines = file === undefined ? undefined : new LineWriter(file);
  const progress = new LiveLine({ everyMs: PROGRESS_INTERVAL_MS });
  const sent = await sendStream(stream, wire, {
    ...(flags.rate === undefined ? {} : { ratePerSecond: flags.rate }),
    onSent: (message, soFar) => {
      if ((soFar.messages & 0xff) === 0) progress.show(() => `${soFar.messages} messages`);
      return lines?.write(message);
    },
  });
  progress.end();
  await lines?.flush();
  const elapsedMs = performance.now() - startMs;
  if (simulation !== undefined && flags.oracleFile !== undefined) {
    await writeOracle(flags.oracleFile, simulation.oracle());
  }
  await wire?.flush();
  post({ type: 'sent', counts: sent.counts, lastSequence: sent.lastSequence?.toString() });
  const failure = await wire?.finish(flags.waitSeconds * 1000);
  report(flags, sent, elapsedMs, wire, failure);
  return failure;
}

/** A stream that is simulated whole goes through an outbox, any other where that is asked for. */
function outboxFolder(flags: Flags): string | true | undefined {
  if (typeof flags.outbox === 'string') return flags.outbox;
  const isWhole = flags.from === undefined && flags.firstSequence === undefined;
  return isWhole && flags.outbox !== false ? true : undefined;
}

async function openWire(flags: Flags): Promise<EngineWire> {
  const { endpoint, control, connect = false } = flags;
  const curve = curveOf(flags.curveSecretKey, flags.curvePeerKeys);
  const folder = outboxFolder(flags);
  let wire: EngineWire;
  if (folder === undefined)
    wire = await PushWire.open({ endpoint, connect, lingerMs: flags.waitSeconds * 1000, curve, say });
  else {
    const { stack, stream } = loadConfig(process.env, { stream: { name: flags.stream } });
    const outbox = folder === true ? join(stack.home, 'outbox', stream.name) : resolve(folder);
    const { firstSequence } = flags;
    wire = await OutboxWire.open({
      stream: stream.name,
      outbox,
      endpoint,
      controlEndpoint: control,
      connect,
      curve,
      say,
      ...(firstSequence === undefined ? {} : { firstSequence }),
      ...(flags.outboxEventsMax === undefined ? {} : { eventsMax: flags.outboxEventsMax }),
    });
  }
  say(`${connect ? 'connecting to' : 'listening on'} ${wire.endpoint}`);
  const controlEndpoint = wire.controlEndpoint;
  if (controlEndpoint !== undefined) say(`control socket on ${controlEndpoint}`);
  post({ type: 'listening', endpoint: wire.endpoint, controlEndpoint });
  return wire;
}

function report(
  flags: Flags,
  sent: SentCounts,
  elapsedMs: number,
  wire: EngineWire | undefined,
  failure: string | undefined,
): void {
  const outcome = {
    endpoint: wire?.endpoint ?? null,
    messages: sent.messages,
    counts: sent.counts,
    firstSequence: sent.firstSequence?.toString() ?? null,
    lastSequence: sent.lastSequence?.toString() ?? null,
    bytes: sent.bytes,
    elapsedMs: Math.round(elapsedMs),
    delivered: wire === undefined ? null : failure === undefined,
    ...(wire === undefined ? { peersLost: 0 } : wire.outcome()),
    streamFile: flags.streamFile ?? null,
    oracleFile: flags.oracleFile ?? null,
  };
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
    return;
  }
  const kinds = Object.entries(sent.counts).map(([kind, number]) => `${number} ${kind}`);
  process.stdout.write(
    `${sent.messages} messages ${wire === undefined ? 'generated' : 'sent'}` +
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

function isExpected(error: unknown): boolean {
  return (
    error instanceof SimulationOptionsError ||
    error instanceof ConfigError ||
    isWireError(error) ||
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
