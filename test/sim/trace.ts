/** What happened in a run, line by line. Kept where it is asked for, as much of the end as fits. */
import { createHash } from 'node:crypto';
import type { Scheduler } from './scheduler.ts';

const LINES_MAX = 20_000;

/** One run's trace. */
export class Trace {
  readonly lines: string[] = [];
  readonly #scheduler: Scheduler;
  readonly #keep: boolean;
  readonly #hash = createHash('sha256');

  constructor(scheduler: Scheduler, keep: boolean) {
    this.#scheduler = scheduler;
    this.#keep = keep;
  }

  /** Adds a line; its words are made only where they are kept. */
  add(text: () => string): void {
    if (!this.#keep) return;
    const line = `${(this.#scheduler.elapsedMs / 1_000).toFixed(4)} ${text()}`;
    this.#hash.update(`${line}\n`);
    this.lines.push(line);
    if (this.lines.length > LINES_MAX) this.lines.splice(0, LINES_MAX / 2);
  }

  /** SHA-256 of all its lines, those too that are kept no more; empty where none were made. */
  get digest(): string {
    return this.#keep ? this.#hash.copy().digest('hex') : '';
  }
}
