/**
 * The main job as child processes: worker, simulated engine and ingest, until everything sent is settled or the stream
 * stops. It watches what the children tell and ends them, whatever happens.
 */
import { join } from 'node:path';
import type { IngestEnding, IngestProgress } from '../../ingest/ingest.ts';
import type { Stop } from '../../ingest/stop.ts';
import { Child, type ChildEnding } from './child.ts';

/** What to run. */
export interface PipelineOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Where logs go. */
  readonly folder: string;
  readonly stream: string;
  readonly classic: boolean;
  /** Folder of the engine's outbox; undefined for one that can't send again. */
  readonly outbox?: string | undefined;
  /** Flags of `settled simulate` that say what is sent. */
  readonly simulateArgs: readonly string[];
  readonly signal: AbortSignal;
  /** Told now and then how far it is. */
  onProgress(sent: number | undefined, progress: IngestProgress): void;
}

/** What came of it. */
export interface PipelineOutcome {
  /** Messages by kind, as the engine sent them. */
  readonly sent: Readonly<Record<string, number>>;
  readonly progress: IngestProgress;
  readonly stop?: Stop;
  /** From the first message received to the last event settled, s. */
  readonly seconds: number;
  readonly workerMiB: number;
  readonly ingestMiB: number;
  /** Events that were still in flight at the end. */
  readonly unsettled: number;
}

/** A part of the pipeline ended before it should have. */
export class PipelineError extends Error {
  override readonly name = 'PipelineError';
}

const READY_MS_MAX = 60_000;
/** Without any advance for so long the run counts as stuck. */
const STUCK_MS_MAX = 120_000;

type Message =
  | { readonly type: 'ready' | 'listening'; readonly endpoint?: string; readonly controlEndpoint?: string }
  | { readonly type: 'memory'; readonly rssMiB: number }
  | { readonly type: 'progress'; readonly progress: IngestProgress }
  | { readonly type: 'ended'; readonly ending: IngestEnding }
  | {
      readonly type: 'sent';
      readonly counts: Readonly<Record<string, number>>;
      readonly lastSequence?: string;
    };

/**
 * Runs the pipeline to its end.
 *
 * @throws {@link PipelineError} with the log's last lines if a part of it fails; the signal's reason if aborted
 */
export async function runPipeline(options: PipelineOptions): Promise<PipelineOutcome> {
  const pipeline = new Pipeline(options);
  try {
    return await pipeline.run();
  } finally {
    await pipeline.end();
  }
}

class Pipeline {
  readonly #options: PipelineOptions;
  readonly #children: Child[] = [];
  #wake: () => void = () => undefined;
  #workerReady = false;
  #ingestReady = false;
  #endpoint: string | undefined;
  #controlEndpoint: string | undefined;
  #lastSequence: bigint | undefined;
  #sent: Readonly<Record<string, number>> | undefined;
  #progress: IngestProgress | undefined;
  #ending: IngestEnding | undefined;
  #firstMs: number | undefined;
  #lastMs = 0;
  #workerMiB = 0;
  #ingestMiB = 0;

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  async run(): Promise<PipelineOutcome> {
    const { stream, classic, outbox, simulateArgs } = this.#options;
    const outboxArgs =
      outbox === undefined
        ? ['--no-outbox']
        : ['--outbox', outbox, '--control', 'tcp://127.0.0.1:*', '--stream', stream];
    const worker = this.#start('worker', [], (message) => {
      if (message.type === 'ready') this.#workerReady = true;
      if (message.type === 'memory') this.#workerMiB = Math.max(this.#workerMiB, message.rssMiB);
    });
    const simulate = this.#start(
      'simulate',
      ['--endpoint', 'tcp://127.0.0.1:*', '--json', ...outboxArgs, ...simulateArgs],
      (message) => {
        if (message.type === 'listening')
          ({ endpoint: this.#endpoint, controlEndpoint: this.#controlEndpoint } = message);
        if (message.type !== 'sent') return;
        this.#sent = message.counts;
        if (outbox !== undefined && message.lastSequence !== undefined)
          this.#lastSequence = BigInt(message.lastSequence);
      },
    );
    await this.#until(
      () => this.#workerReady && this.#endpoint !== undefined,
      READY_MS_MAX,
      'worker and engine to start',
    );
    const ingestArgs = [
      '--stream',
      stream,
      '--endpoint',
      this.#endpoint ?? '',
      ...(classic ? ['--classic'] : []),
      ...(this.#controlEndpoint === undefined ? [] : ['--control', this.#controlEndpoint]),
    ];
    const ingest = this.#start('ingest', ingestArgs, (message) => {
      if (message.type === 'ready') this.#ingestReady = true;
      if (message.type === 'memory') this.#ingestMiB = Math.max(this.#ingestMiB, message.rssMiB);
      if (message.type === 'progress') this.#advance(message.progress);
      if (message.type === 'ended') this.#ending = message.ending;
    });
    await this.#until(() => this.#ingestReady || !ingest.isRunning, READY_MS_MAX, 'the ingest to start');
    await this.#untilSettled(ingest);
    simulate.kill();
    const ended = await ingest.stop();
    const ending = this.#ending;
    if (!ending) throw this.#failure(ingest, ended);
    this.#advance(ending.progress);
    await worker.stop();
    const [halted] = ending.progress.halted;
    const stop = ending.stop ?? (halted ? stopOfHalt(halted) : undefined);
    return {
      sent: this.#sent ?? {},
      progress: ending.progress,
      ...(stop ? { stop } : {}),
      seconds: Math.max(this.#lastMs - (this.#firstMs ?? this.#lastMs), 1) / 1000,
      workerMiB: this.#workerMiB,
      ingestMiB: this.#ingestMiB,
      unsettled: ending.unsettled,
    };
  }

  /** Leaves no child behind. */
  async end(): Promise<void> {
    for (const child of this.#children) child.kill();
    await Promise.all(this.#children.map((child) => child.ended));
  }

  #start(command: string, args: readonly string[], onMessage: (message: Message) => void): Child {
    const child = new Child({
      args: [command, ...args],
      env: this.#options.env,
      logPath: join(this.#options.folder, `${command}.log`),
      onMessage: (message) => {
        onMessage(message as Message);
        this.#wake();
      },
    });
    this.#children.push(child);
    void child.ended.then(() => {
      this.#wake();
      return undefined;
    });
    return child;
  }

  #advance(progress: IngestProgress): void {
    const before = this.#progress;
    this.#progress = progress;
    if (progress.messages > 0) this.#firstMs ??= Date.now();
    if (progress.watermark !== before?.watermark || progress.messages !== before.messages)
      this.#lastMs = Date.now();
    const sent = this.#sent && total(this.#sent);
    this.#options.onProgress(sent, progress);
  }

  async #untilSettled(ingest: Child): Promise<void> {
    const done = (): boolean => {
      const progress = this.#progress;
      if (!ingest.isRunning || this.#ending) return true;
      if (!progress) return false;
      if (progress.halted.length > 0) return true;
      // What came twice counts twice: where there are numbers, they say what is settled.
      if (this.#lastSequence !== undefined) return BigInt(progress.watermark) >= this.#lastSequence;
      return this.#sent !== undefined && progress.messages >= total(this.#sent) && progress.inFlight === 0;
    };
    await this.#until(done, STUCK_MS_MAX, 'everything to settle', () => this.#lastMs);
  }

  /** Waits for a condition; a child that fails meanwhile, an abort, or too long without news ends the wait. */
  async #until(
    condition: () => boolean,
    msMax: number,
    what: string,
    lastNewsMs: () => number = () => 0,
  ): Promise<void> {
    const started = Date.now();
    while (!condition()) {
      this.#options.signal.throwIfAborted();
      for (const child of this.#children)
        if (!child.isRunning && child.name !== 'ingest') {
          const ending = await child.ended;
          if (child.name !== 'simulate' || ending.code !== 0) throw this.#failure(child, ending);
        }
      if (Date.now() - Math.max(started, lastNewsMs()) > msMax)
        throw new PipelineError(
          `waited ${msMax / 1000} s for ${what} in vain; logs are in ${this.#options.folder}`,
        );
      await this.#news();
    }
  }

  /** Resolves at the next message or ending of a child, or after a moment. */
  #news(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 250);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #failure(child: Child, ending: ChildEnding): PipelineError {
    const how = ending.signal ? `was ended by ${ending.signal}` : `ended with exit code ${ending.code}`;
    return new PipelineError(
      `settled ${child.name} ${how}. The end of its log (${child.logPath}):\n${child.logTail}`,
    );
  }
}

function stopOfHalt({ partition, halt }: IngestProgress['halted'][number]): Stop {
  const { conflict } = halt;
  return {
    reason: 'conflict',
    sequence: conflict.sequence,
    event: conflict.event,
    user: conflict.user,
    asset: conflict.asset,
    expected: conflict.expected,
    stated: conflict.found,
    message:
      `partition ${partition} is halted by ${conflict.event} (sequence ${conflict.sequence}): ${conflict.reason}, ` +
      `balance ${conflict.user}/${conflict.asset}, expected ${conflict.expected}, found ${conflict.found}`,
  };
}

/** Sum of counts. */
export function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, one) => sum + one, 0);
}
