/**
 * The child's end of the benchmark's channel: questions come one at a time, each gets one answer, and the process ends
 * with its parent, whatever became of that.
 */
import { reasonOf } from '../../src/logging/reason-of.ts';

/** What a child is asked, and how it answers. Both go through JSON. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>;

/** A question. */
export interface Question {
  readonly id: number;
  readonly op: string;
  readonly argument?: unknown;
}

/** What comes back. */
export type Answer =
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'answer'; readonly id: number; readonly error: string };

/** Answers the parent until it is gone; `end` lets go of what the child holds. */
export function serve(handlers: Handlers, end: () => Promise<void>): void {
  process.on('message', ({ id, op, argument }: Question) => {
    void answer(handlers, id, op, argument);
  });
  process.on('disconnect', () => process.exit(1));
  // A terminal's interrupt goes to everyone: the parent ends its children.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => {
    end().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${String(error)}\n`);
        process.exit(1);
      },
    );
  });
  process.send?.({ type: 'ready' });
}

async function answer(handlers: Handlers, id: number, op: string, argument: unknown): Promise<void> {
  try {
    const handler = handlers[op];
    if (!handler) throw new Error(`there is no ${op}`);
    post({ type: 'answer', id, value: await handler(argument as never) });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    post({ type: 'answer', id, error: reasonOf(error) });
  }
}

function post(message: Answer): void {
  if (process.connected) process.send?.(message, () => undefined);
}
