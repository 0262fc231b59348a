/**
 * What a worker that we start is told about memory, at full load 400 instead of 550 MiB. glibc otherwise keeps an arena for
 * each of its many threads, and V8, which sees all of the machine's memory, lets garbage pile up. The bound on the heap
 * is far above what is needed (10 000 events in flight are about 120 MiB of live heap): it only makes V8 collect
 * earlier. A bound of a few times what lives costs a quarter more CPU (docs/performance.md).
 */

const HEAP_MIB_MAX = 1_024;

/** Flags and environment of a worker's process; what the environment already says stays. */
export function workerMemory(env: NodeJS.ProcessEnv): {
  readonly execArgv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
} {
  const isSet = env['NODE_OPTIONS']?.includes('--max-old-space-size') === true;
  return {
    execArgv: isSet ? [] : [`--max-old-space-size=${HEAP_MIB_MAX}`],
    env: { MALLOC_ARENA_MAX: '2', ...env },
  };
}
