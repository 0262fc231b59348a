/**
 * The benchmark's child processes: the product's own commands, and parts of the benchmark that are asked questions. All
 * are known here, so that whatever happens none is left behind.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, type ChildEnding } from '../../src/cli/demo/child.ts';
import type { Answer } from './serve.ts';

const READY_MS_MAX = 60_000;

/** A child ended before it should have, or answered with an error. */
export class ChildFailedError extends Error {
  override readonly name = 'ChildFailedError';
}

type Message = { readonly type: string } & Record<string, unknown>;

/** A running child. */
export class Part {
  readonly name: string;
  readonly #child: Child;
  readonly #listeners = new Set<(message: Message) => void>();
  #nextId = 1;
  #stopping = false;

  constructor(name: string, start: (onMessage: (message: Message) => void) => Child) {
    this.name = name;
    this.#child = start((message) => {
      for (const listener of this.#listeners) listener(message);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** @throws {@link ChildFailedError} if it has ended by itself */
  requireRunning(): void {
    if (!this.#child.isRunning) throw this.#failure('ended too early');
  }

  /** Waits for a message of its channel. */
  message(type: string, msMax = READY_MS_MAX): Promise<Message> {
    return this.#wait((message) => (message.type === type ? message : undefined), `"${type}"`, msMax);
  }

  /** Asks it a question; resolves with the answer. */
  async ask<T>(op: string, argument: unknown = {}, msMax = 600_000): Promise<T> {
    const id = this.#nextId++;
    const answered = this.#wait(
      (message) =>
        message.type === 'answer' && message['id'] === id ? (message as unknown as Answer) : undefined,
      op,
      msMax,
    );
    this.#child.send({ id, op, argument });
    const answer = await answered;
    if ('error' in answer) throw new ChildFailedError(`${this.name} could not ${op}: ${answer.error}`);
    return answer.value as T;
  }

  /** Asks it to end, and waits until it has. */
  async stop(): Promise<ChildEnding> {
    this.#stopping = true;
    return this.#child.stop();
  }

  kill(): void {
    this.#stopping = true;
    this.#child.kill();
  }

  get ended(): Promise<ChildEnding> {
    return this.#child.ended;
  }

  #wait<T>(pick: (message: Message) => T | undefined, what: string, msMax: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(listener);
      };
      const listener = (message: Message): void => {
        const found = pick(message);
        if (found === undefined) return;
        end();
        resolve(found);
      };
      const timer = setTimeout(() => {
        end();
        reject(this.#failure(`said nothing of ${what} for ${msMax / 1000} s`));
      }, msMax);
      this.#listeners.add(listener);
      void this.#child.ended.then(() => {
        end();
        reject(this.#failure(`ended before ${what}`));
        return undefined;
      });
    });
  }

  #failure(how: string): ChildFailedError {
    if (this.#stopping) return new ChildFailedError(`${this.name} was stopped`);
    return new ChildFailedError(
      `${this.name} ${how}. The end of its log (${this.#child.logPath}):\n${this.#child.logTail}`,
    );
  }
}

/** Starts children and ends what is left of them. */
export class Children {
  readonly #logs: string;
  readonly #running = new Set<Part>();
  #isClosed = false;

  /** @param logs folder of their logs */
  constructor(logs: string) {
    this.#logs = logs;
  }

  /** A command of the product, as a user starts it. */
  command(
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    log: string,
    execArgv: readonly string[] = [],
  ): Part {
    const name = `settled ${args[0] ?? ''}`;
    return this.#start(
      name,
      (onMessage) => new Child({ args, env, execArgv, logPath: this.#log(log), onMessage }),
    );
  }

  /** A part of the benchmark; resolves when it is ready for questions. */
  async part(
    file: string,
    env: NodeJS.ProcessEnv,
    log: string,
    execArgv: readonly string[] = [],
  ): Promise<Part> {
    const part = this.#start(
      log,
      (onMessage) =>
        new Child({
          args: [log],
          program: fileURLToPath(new URL(`../${file}`, import.meta.url)),
          execArgv: ['--import', 'tsx/esm', ...execArgv],
          env,
          logPath: this.#log(log),
          onMessage,
        }),
    );
    await part.message('ready');
    return part;
  }

  /** Ends all at once; none is started any more. */
  async killAll(): Promise<void> {
    this.#isClosed = true;
    for (const part of this.#running) part.kill();
    await Promise.all([...this.#running].map((part) => part.ended));
  }

  #start(name: string, start: (onMessage: (message: Message) => void) => Child): Part {
    if (this.#isClosed) throw new ChildFailedError(`${name} is not started: the benchmark ends`);
    const part = new Part(name, start);
    this.#running.add(part);
    void part.ended.then(() => this.#running.delete(part));
    return part;
  }

  #log(name: string): string {
    return join(this.#logs, `${name.replaceAll(/[^a-z0-9-]/gi, '-')}.log`);
  }
}
