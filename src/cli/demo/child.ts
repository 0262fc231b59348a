/**
 * A command of ours as a child process: started with a channel on which it tells how it fares, its log in a file, and
 * stopped by its own handle. The demonstration and the benchmark run the same commands as a user would.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../../bin/settled.mjs', import.meta.url));
const STOP_MS_MAX = 45_000;
const LOG_LINES_SHOWN = 15;

/** How to start a child. */
export interface ChildOptions {
  /** Command and flags. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Another program than the command line. */
  readonly program?: string;
  /** Flags of Node itself. */
  readonly execArgv?: readonly string[];
  /** Where its stderr goes. */
  readonly logPath: string;
  /** Told each message of its channel. */
  readonly onMessage?: (message: { readonly type: string }) => void;
}

/** How a child ended. */
export interface ChildEnding {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
}

/**
 * What a worker is told about memory: glibc otherwise keeps an arena for each of its many threads. A bound on V8's heap is
 * left alone: even one far above what lives cost up to a quarter more CPU (docs/performance.md).
 */
const WORKER_MEMORY = { MALLOC_ARENA_MAX: '2' };

/** A running command. */
export class Child {
  readonly name: string;
  readonly logPath: string;
  readonly ended: Promise<ChildEnding>;
  readonly #process: ChildProcess;
  #ending: ChildEnding | undefined;

  constructor(options: ChildOptions) {
    this.name = options.args[0] ?? '';
    this.logPath = options.logPath;
    const log = openSync(options.logPath, 'a');
    const isWorker = this.name === 'worker' && options.program === undefined;
    this.#process = fork(options.program ?? PROGRAM, [...options.args], {
      env: isWorker ? { ...WORKER_MEMORY, ...options.env } : options.env,
      execArgv: [...(options.execArgv ?? [])],
      stdio: ['ignore', 'pipe', log, 'ipc'],
    });
    closeSync(log);
    let stdout = '';
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    this.#process.on('message', (message) => options.onMessage?.(message as { type: string }));
    this.ended = new Promise((resolve) => {
      this.#process.on('error', (error) => {
        this.#ending = { code: null, signal: null, stdout: error.message };
        resolve(this.#ending);
      });
      this.#process.on('close', (code, signal) => {
        this.#ending = { code, signal, stdout };
        resolve(this.#ending);
      });
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get isRunning(): boolean {
    return this.#ending === undefined;
  }

  /** Tells it something on its channel; a child that has ended hears nothing. */
  send(message: object): void {
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  /** Asks it to end, and ends it if it does not in time. */
  async stop(): Promise<ChildEnding> {
    if (this.isRunning) this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS_MAX);
    try {
      return await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it at once. */
  kill(): void {
    if (this.isRunning) this.#process.kill('SIGKILL');
  }

  /** The last lines of its log. */
  get logTail(): string {
    return readFileSync(this.logPath, 'utf8').trimEnd().split('\n').slice(-LOG_LINES_SHOWN).join('\n');
  }
}
