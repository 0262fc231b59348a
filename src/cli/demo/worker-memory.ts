/**
 * What a worker that we start is told about memory: glibc otherwise keeps an arena for each of its many threads. A bound
 * on V8's heap is left alone: even one far above what lives made it collect so much that a trade cost a quarter more CPU
 * (docs/performance.md).
 */

/** The environment of a worker's process; what it says already stays. */
export function workerMemory(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { MALLOC_ARENA_MAX: '2', ...env };
}
