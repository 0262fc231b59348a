/**
 * What a person sees while the stack starts: one line a step, with the seconds it took, on stderr. A terminal also
 * gets a live line of what is under way; a pipe gets whole lines only.
 */
import type { WriteStream } from 'node:tty';

/** A step under way. Ends once, by `done` or `fail`. */
export interface ProgressStep {
  /** Says more of what it is at. */
  update(detail: string): void;
  done(result: string): void;
  fail(result: string): void;
}

/** Receives the steps of a start. */
export interface Progress {
  /** @param slow announce it at once also in a pipe, since minutes may pass before its end */
  step(title: string, options?: { readonly slow?: boolean }): ProgressStep;
  note(text: string): void;
}

const ignore = (): void => {};

/** Says nothing. */
export const silentProgress: Progress = {
  step: () => ({ update: ignore, done: ignore, fail: ignore }),
  note: ignore,
};

const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

/** Whole lines, for a pipe or a log. */
export function lineProgress(write: (line: string) => void): Progress {
  return {
    note: (text) => write(text),
    step: (title, { slow = false } = {}) => {
      const sinceMs = performance.now();
      if (slow) write(`${title} …`);
      return {
        update: ignore,
        done: (result) => write(`${title}: ${result} (${seconds(sinceMs)})`),
        fail: (result) => write(`${title}: ${result} (${seconds(sinceMs)})`),
      };
    },
  };
}

const FRAMES = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const FRAME_MS = 100;

/** Whole lines for what is done, and below them one live line for what is not. */
export function terminalProgress(terminal: WriteStream): Progress {
  const active = new Map<symbol, { title: string; detail: string; sinceMs: number }>();
  let timer: NodeJS.Timeout | undefined;
  let frame = 0;
  const paint = () => {
    const steps = [...active.values()].map(
      ({ title, detail, sinceMs }) => `${title}${detail === '' ? '' : `: ${detail}`} ${seconds(sinceMs)}`,
    );
    const line = `${FRAMES[frame++ % FRAMES.length]} ${steps.join(' · ')}`.slice(0, terminal.columns - 1);
    terminal.write(`\r\x1b[2K${line}`);
  };
  const settle = () => {
    if (active.size > 0) timer ??= setInterval(paint, FRAME_MS).unref();
    else {
      clearInterval(timer);
      timer = undefined;
    }
  };
  const print = (line: string) => {
    terminal.write(`\r\x1b[2K${line}\n`);
    if (active.size > 0) paint();
  };
  return {
    note: (text) => print(`  ${text}`),
    step: (title) => {
      const key = Symbol(title);
      const step = { title, detail: '', sinceMs: performance.now() };
      active.set(key, step);
      settle();
      const end = (mark: string) => (result: string) => {
        active.delete(key);
        settle();
        print(`${mark} ${title}: ${result} (${seconds(step.sinceMs)})`);
      };
      return { update: (detail) => void (step.detail = detail), done: end('✓'), fail: end('✗') };
    },
  };
}

/** The fitting kind for a stream, normally `process.stderr`. */
export const progressFor = (stream: NodeJS.WriteStream): Progress =>
  stream.isTTY ? terminalProgress(stream) : lineProgress((line) => stream.write(`${line}\n`));
