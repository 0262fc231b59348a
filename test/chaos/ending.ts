/**
 * How a run's own process ends. What a library leaves open must not keep it: the Cassandra driver, when it has lost its
 * server and found it again, once went on connecting after its shutdown, and a run that was over never ended.
 */

/** What is left open may hold a process up for so long after its work is done, ms. */
const END_MS_MAX = 1_000;

/** Ends this process soon, whatever is left open; says so where something is. */
export function endWhenDone(): void {
  setTimeout(() => {
    const left = process.getActiveResourcesInfo();
    process.stderr.write(`Ended with something left open: ${left.join(', ')}\n`, () => process.exit());
  }, END_MS_MAX).unref();
}
