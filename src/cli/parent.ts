/** Talk with a parent process that started this one with a channel, as `settled demo` and tests do. */

/** What worker and ingest tell a parent. */
export type ChildMessage =
  | { readonly type: 'ready'; readonly endpoint?: string }
  | { readonly type: 'standby'; readonly lease: string; readonly holder: string }
  | { readonly type: 'memory'; readonly rssMiB: number }
  | { readonly type: 'progress'; readonly progress: unknown }
  | { readonly type: 'ended'; readonly ending: unknown };

/** Tells the parent, where there is one that listens; never fails. */
export function tellParent(message: ChildMessage): void {
  if (process.send && process.connected) process.send(message, () => undefined);
}

/** Tells the parent regularly; returns what stops it. Does not keep the process alive. */
export function tellRegularly(everyMs: number, message: () => ChildMessage): () => void {
  if (!process.send) return () => undefined;
  const timer = setInterval(() => {
    tellParent(message());
  }, everyMs);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}

/** Resident memory of this process, MiB. */
export function residentMiB(): number {
  return Math.round(process.memoryUsage.rss() / 1024 / 1024);
}

function endLikeAPerson(): void {
  process.kill(process.pid, 'SIGTERM');
}

/** Ends this process when the parent that started it is gone, whatever became of that. */
export function endWithParent(): void {
  if (!process.channel) return;
  process.once('disconnect', endLikeAPerson);
  // A listener keeps the channel, and with it the process, alive: a command that is done must end all the same.
  process.channel.unref();
}

/** Lets go of the parent's channel, so that the process can end. */
export function leaveParent(): void {
  process.off('disconnect', endLikeAPerson);
  if (process.connected) process.disconnect();
}
