/**
 * Every workflow type of this project: the bundle's one entry. A function's name here is its type in Temporal, recorded
 * in histories, so it is never changed (I9).
 */
export { partition } from './partition.ts';
