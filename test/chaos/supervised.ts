/**
 * A process of ours under a supervisor, as it would run anywhere: whenever it ends, by a fault of ours or by itself, it
 * is started again, and what it said last is remembered.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../src/cli/demo/child.ts';
import { conditionOf } from './condition.ts';

/** What a child tells on its channel. */
export type Said = { readonly type: string } & Readonly<Record<string, unknown>>;

/** What to keep running. */
export interface SupervisedOptions {
  readonly name: string;
  /** Command and flags of `settled`. They may change from one start to the next. */
  readonly args: () => readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Folder of its log. */
  readonly logs: string;
  /** Exit codes after which it is not started again. @default none */
  readonly finishedBy?: readonly number[];
  readonly onSaid?: (said: Said) => void;
}

/** How it ended without being asked to: exit code or signal, and how often. */
export type Endings = Record<string, number>;

/** Between an ending by itself and the next start. */
const RESTART_MS = 500;
const GONE_MS_MAX = 10_000;

/** One process that is kept running. */
export class Supervised {
  readonly name: string;
  /** Endings that nobody asked for. */
  readonly endings: Endings = {};
  /** True once it has ended as it was meant to. */
  finished = false;
  readonly #options: SupervisedOptions;
  #child: Child | undefined;
  #expected = false;
  #stopped = false;

  constructor(options: SupervisedOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.isRunning ? this.#child.pid : undefined;
  }

  get logTail(): string {
    return this.#child?.logTail ?? '';
  }

  /** In words: whether it runs, and how it has ended by itself. */
  get state(): string {
    const { pid, finished, endings } = this;
    const ended = Object.entries(endings).map(([how, times]) => `, ended by itself: ${how} × ${times}`);
    return `${finished ? 'is done' : conditionOf(pid)}${ended.join('')}`;
  }

  start(): void {
    const { name, args, env, logs, onSaid } = this.#options;
    this.#expected = false;
    const child = new Child({
      args: args(),
      env,
      logPath: join(logs, `${name}.log`),
      onMessage: (message) => {
        if (child === this.#child) onSaid?.(message);
      },
    });
    this.#child = child;
    void this.#keepRunning(child);
  }

  async #keepRunning(child: Child): Promise<void> {
    const { code, signal } = await child.ended;
    if (this.#expected || this.#stopped || child !== this.#child) return;
    if (code !== null && this.#options.finishedBy?.includes(code)) {
      this.finished = true;
      return;
    }
    const how = signal ?? `exit code ${code}`;
    this.endings[how] = (this.endings[how] ?? 0) + 1;
    await sleep(RESTART_MS);
    if (!this.#expected && !this.#stopped && child === this.#child) this.start();
  }

  /** kill -9; resolves when it is gone. It stays so until `start`. */
  async kill(): Promise<void> {
    this.#expected = true;
    const child = this.#child;
    if (!child) return;
    child.kill();
    await Promise.race([child.ended, sleep(GONE_MS_MAX, undefined, { ref: false })]);
  }

  /** SIGSTOP or SIGCONT; none where it does not run. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    const { pid } = this;
    if (pid === undefined) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Asks it to end for good. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.signal('SIGCONT');
    await this.#child?.stop();
  }

  /** Ends it for good, at once. */
  async end(): Promise<void> {
    this.#stopped = true;
    await this.kill();
  }
}
