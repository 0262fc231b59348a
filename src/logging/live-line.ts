/** How far something long has come: a line on a terminal that is written over, and nothing in a pipe. */
import type { WriteStream } from 'node:tty';

const CLEARED = '\r\u001B[K';

/** What a live line needs to know. */
export interface LiveLineOptions {
  /** The least time between two writings, ms. */
  readonly everyMs: number;
  /** Where it is written, if that is a terminal. @default stderr */
  readonly stream?: Pick<WriteStream, 'isTTY' | 'write'>;
  /** @default the process's monotonic clock */
  readonly nowMs?: () => number;
}

/** A line that is written over. */
export class LiveLine {
  readonly #everyMs: number;
  readonly #stream: Pick<WriteStream, 'isTTY' | 'write'>;
  readonly #nowMs: () => number;
  #shownMs = 0;

  constructor({ everyMs, stream = process.stderr, nowMs = () => performance.now() }: LiveLineOptions) {
    this.#everyMs = everyMs;
    this.#stream = stream;
    this.#nowMs = nowMs;
  }

  /** Writes the text over the one before, unless that was only just written. It is asked for only where it is shown. */
  show(text: () => string): void {
    if (!this.#stream.isTTY) return;
    const nowMs = this.#nowMs();
    if (nowMs - this.#shownMs < this.#everyMs) return;
    this.#shownMs = nowMs;
    this.#stream.write(`${CLEARED}${text()}`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shownMs > 0) this.#stream.write(CLEARED);
  }
}
