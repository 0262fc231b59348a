/** Where a worker dies in the middle of a dismissal, and the variable that tells it. */
export const DYING_PLACES = ['before the batch', 'behind the batch', 'behind the entries'] as const;
/** One of them. */
export type DyingPlace = (typeof DYING_PLACES)[number];
/** JSON for dying-worker.ts. */
export const DYING = 'SETTLED_TEST_DYING';
