/**
 * The machine's clock and timers, replaced for this one process: `setTimeout`, `setImmediate`, `Date`, `performance` and
 * `node:timers/promises` run on a scheduler's virtual time. So the product's code runs unchanged, its timers included.
 * Between two planned things everything that is ready runs to its end, in Node's own order, which is always the same.
 */
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';
import type { Planned, Scheduler } from './scheduler.ts';

const realSetImmediate = globalThis.setImmediate;
const RealDate = Date;
/** Turns of Node's own loop that are asked for at once: cheaper than one by one. */
const TURNS_AT_ONCE = 32;

let scheduler: Scheduler;

class VirtualDate extends RealDate {
  constructor(...given: []) {
    if (given.length === 0) super(Math.floor(scheduler.nowMs));
    else super(...given);
  }

  static override now(): number {
    return Math.floor(scheduler.nowMs);
  }
}

class VirtualTimer {
  planned: Planned | undefined;

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return false;
  }
}

function setVirtualTimeout(then: (...given: unknown[]) => void, ms = 1, ...given: unknown[]): VirtualTimer {
  const timer = new VirtualTimer();
  timer.planned = scheduler.after(Math.max(1, ms), given.length === 0 ? then : () => then(...given));
  return timer;
}

function setVirtualInterval(then: () => void, ms = 1): VirtualTimer {
  const timer = new VirtualTimer();
  const next = (): void => {
    timer.planned = scheduler.after(Math.max(1, ms), () => {
      next();
      then();
    });
  };
  next();
  return timer;
}

function setVirtualImmediate(then: (...given: unknown[]) => void, ...given: unknown[]): VirtualTimer {
  const timer = new VirtualTimer();
  timer.planned = scheduler.after(0, given.length === 0 ? then : () => then(...given));
  return timer;
}

function clearVirtual(timer: VirtualTimer | undefined): void {
  timer?.planned?.cancel();
}

function sleep<T>(ms: number, value?: T, options: { signal?: AbortSignal } = {}): Promise<T> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const planned = scheduler.after(Math.max(1, ms), () => {
      resolve(value as T);
    });
    const abort = (): void => {
      planned.cancel();
      reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}

/** Replaces clock and timers. Nothing else may run in this process. */
export function takeOverTime(): void {
  Object.assign(globalThis, {
    Date: VirtualDate,
    setTimeout: setVirtualTimeout,
    setInterval: setVirtualInterval,
    setImmediate: setVirtualImmediate,
    clearTimeout: clearVirtual,
    clearInterval: clearVirtual,
    clearImmediate: clearVirtual,
  });
  Object.defineProperty(performance, 'now', { value: () => scheduler.nowMs });
  Object.assign(timersPromises, { setTimeout: sleep });
  // The one file operation of an outbox beside its database.
  Object.assign(fsPromises, { mkdir: () => Promise.resolve() });
  syncBuiltinESMExports();
}

/** Lets a run happen until it is over, one planned thing after the other. */
export function runTo(end: Scheduler, isOver: () => boolean): Promise<void> {
  scheduler = end;
  return new Promise((resolve, reject) => {
    let turnsLeft = 0;
    let over = false;
    const turn = (): void => {
      turnsLeft -= 1;
      if (!over)
        try {
          over = isOver() || !end.step();
        } catch (error) {
          over = true;
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      if (turnsLeft > 0) return;
      if (over) resolve();
      else askForTurns();
    };
    const askForTurns = (): void => {
      turnsLeft = TURNS_AT_ONCE;
      for (let at = 0; at < TURNS_AT_ONCE; at += 1) realSetImmediate(turn);
    };
    askForTurns();
  });
}

/** Which scheduler gives the time, before anything of a run is made. */
export function useScheduler(next: Scheduler): void {
  scheduler = next;
}

/** The real clock, for the speed of the simulation itself, ms. */
export function realNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
