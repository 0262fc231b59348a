/** How far a run of many seeds has come: one live line on a terminal, nothing in a pipe. */
import type { WriteStream } from 'node:tty';
import { realNowMs } from './machine.ts';

const EVERY_MS = 500;

/** Paints the line. It goes by the real clock: that of the process belongs to the simulation. */
export class Meter {
  readonly #terminal: WriteStream | undefined;
  readonly #total: number;
  readonly #startedMs = realNowMs();
  #paintedMs = 0;

  /** @param stream where it is painted, if that is a terminal */
  constructor(total: number, stream: WriteStream | undefined) {
    this.#total = total;
    this.#terminal = stream?.isTTY ? stream : undefined;
  }

  /** So many seeds are done, so many of them with violations. */
  note(seeds: number, violations: number): void {
    const nowMs = realNowMs();
    if (!this.#terminal || nowMs - this.#paintedMs < EVERY_MS) return;
    this.#paintedMs = nowMs;
    const rate = seeds / ((nowMs - this.#startedMs) / 1_000);
    const minutes = Math.ceil((this.#total - seeds) / rate / 60);
    const text = `${seeds} of ${this.#total} seeds, ${violations} with violations, ${rate.toFixed(1)} seeds/s, ${minutes} min left`;
    this.#terminal.write(`\r\u001B[2K${text}`);
  }

  /** Takes the line away. */
  end(): void {
    this.#terminal?.write('\r\u001B[2K');
  }
}
