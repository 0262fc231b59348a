/**
 * The servers' logs, as they are and as they grow. Following survives a log that is set aside for a new one.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { homePaths, SERVERS, type ServerName } from './home.ts';
import { tailOf } from './log-tail.ts';

const POLL_MS = 250;
const READ_BYTES = 64 * 1024;

/** What to show of the logs. */
export interface LogsOptions {
  /** @default both */
  readonly servers?: readonly ServerName[];
  /** How many lines from the end. @default 200 */
  readonly lines?: number;
  /** Go on until the signal says stop. */
  readonly follow?: { readonly signal: AbortSignal };
  /** Receives text with its line ends. */
  readonly write: (text: string, server: ServerName) => void;
}

/** What a file gained since it was last asked; it may be replaced by a new one meanwhile. */
class GrowingFile {
  readonly #path: string;
  #inode: number;
  #offset: number;

  constructor(path: string) {
    this.#path = path;
    const stat = statSync(path, { throwIfNoEntry: false });
    this.#inode = stat?.ino ?? 0;
    this.#offset = stat?.size ?? 0;
  }

  *gained(): Generator<string> {
    if (!existsSync(this.#path)) return;
    const file = openSync(this.#path, 'r');
    try {
      const { ino, size } = fstatSync(file);
      if (ino !== this.#inode || size < this.#offset) this.#offset = 0;
      this.#inode = ino;
      const buffer = Buffer.alloc(READ_BYTES);
      for (
        let count;
        (count = readSync(file, buffer, 0, READ_BYTES, this.#offset)) > 0;
        this.#offset += count
      )
        yield buffer.toString('utf8', 0, count);
    } finally {
      closeSync(file);
    }
  }
}

/**
 * Writes the end of each log, then, when following, what it gains. Servers without a log are passed over.
 * @returns whether anything was there to show at the beginning
 */
export async function showLogs(home: string, options: LogsOptions): Promise<boolean> {
  const { servers = SERVERS, lines = 200, follow, write } = options;
  const paths = homePaths(home);
  const files = servers.map((server) => {
    const path = paths.log[server];
    const file = new GrowingFile(path);
    const tail = tailOf(path, lines);
    if (tail !== '') write(`${tail}\n`, server);
    return { server, file, shown: tail !== '' };
  });
  const signal = follow?.signal ?? AbortSignal.abort();
  while (!signal.aborted) {
    for (const { server, file } of files) for (const text of file.gained()) write(text, server);
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
  return files.some(({ shown }) => shown);
}
