/**
 * Three packages are replaced in the process of a simulation: `zeromq`, whose sockets become the simulated network's,
 * `classic-level`, whose disk is simulated, and `@temporalio/activity`, for its context. All else that runs is the product as it is.
 */
import { register } from 'node:module';

const REPLACED: Readonly<Record<string, string>> = {
  zeromq: new URL('modules/zeromq.ts', import.meta.url).href,
  'classic-level': new URL('modules/classic-level.ts', import.meta.url).href,
  '@temporalio/activity': new URL('modules/temporal-activity.ts', import.meta.url).href,
};

/** From here on imports of those find what stands for them. */
export function replacePackages(): void {
  register(
    `data:text/javascript,${encodeURIComponent(`
    const replaced = ${JSON.stringify(REPLACED)};
    export function resolve(specifier, context, next) {
      return next(replaced[specifier] ?? specifier, context);
    }
  `)}`,
  );
}
