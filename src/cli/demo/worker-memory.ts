/**
 * How much a worker that we start may keep. Without a bound V8 lets garbage pile up to several times the live heap, and
 * glibc keeps an arena a thread: 500 to 800 MiB at full load where 400 do, at the same speed (docs/performance.md).
 */

/** Live heap of a worker with nothing in flight, and room to collect in, MiB. */
const HEAP_MIB = 136;
/** Heap of 1 000 events in flight, MiB. */
const HEAP_MIB_PER_THOUSAND = 12;
const IN_FLIGHT_DEFAULT = 10_000;

/** Flags and variables for a worker's process; what its environment already says of them stays. */
export function workerMemory(env: NodeJS.ProcessEnv): {
  readonly execArgv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
} {
  const inFlight = Number(env['SETTLED_INGEST_MAX_IN_FLIGHT_EVENTS'] ?? IN_FLIGHT_DEFAULT);
  const heapMiB = HEAP_MIB + Math.ceil((HEAP_MIB_PER_THOUSAND * inFlight) / 1_000);
  const isSet = env['NODE_OPTIONS']?.includes('--max-old-space-size') === true || !Number.isFinite(heapMiB);
  return {
    execArgv: isSet ? [] : [`--max-old-space-size=${heapMiB}`],
    env: { MALLOC_ARENA_MAX: '2', ...env },
  };
}
