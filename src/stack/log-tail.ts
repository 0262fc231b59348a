/**
 * The end of a log: what a person looks at first when a server did not start.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

const FAILURE_LINES = 15;
/** More than this from the end of a log is never read. */
const TAIL_BYTES_MAX = 4 * 1024 * 1024;

/**
 * The last lines of a file, without their last line end; nothing where there is no file.
 * @param fromByte what lies before it is passed over
 */
export function tailOf(path: string, lines: number, fromByte = 0): string {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return '';
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const begin = Math.max(fromByte > size ? 0 : fromByte, size - TAIL_BYTES_MAX);
    const buffer = Buffer.alloc(size - begin);
    const count = readSync(file, buffer, 0, buffer.length, begin);
    return buffer.toString('utf8', 0, count).trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    closeSync(file);
  }
}

/** A log of which only what is written after a mark is of interest: earlier runs have written to it too. */
export class MarkedLog {
  readonly #path: string;
  #fromByte = 0;

  constructor(path: string) {
    this.#path = path;
  }

  mark(): void {
    this.#fromByte = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** The last lines since the mark, without the frames of Java's stack traces. */
  sinceMark(): string {
    const frame = /^\s+(at |\.\.\. \d+)/;
    return tailOf(this.#path, Number.POSITIVE_INFINITY, this.#fromByte)
      .split('\n')
      .filter((line) => !frame.test(line))
      .slice(-FAILURE_LINES)
      .join('\n');
  }
}
