/** Rows of one partition as replicas have them, and what several replicas' rows make together. */
import { merge, type Row, type TieListener } from './cells.ts';
import type { Asked } from './queries.ts';
import type { Mutation, Replica } from './replica.ts';

/** For a merge that only looks. */
export const ignoreTie: TieListener = () => undefined;

/** The rows that are asked for, by clustering key. */
export function rowsOf(replica: Replica, asked: Asked): Map<string, Row> {
  const found = new Map<string, Row>();
  if (asked.clusterings) {
    for (const clustering of asked.clusterings) {
      const row = replica.row(asked.partition, clustering);
      if (row) found.set(clustering, row);
    }
    return found;
  }
  for (const [clustering, row] of replica.rows(asked.partition))
    if (asked.fits(row)) found.set(clustering, row);
  return found;
}

/** The rows of several replicas, merged. */
export function mergeAll(found: readonly Map<string, Row>[]): Map<string, Row> {
  const [first = new Map<string, Row>(), ...others] = found;
  const merged = new Map(first);
  for (const other of others)
    for (const [clustering, row] of other) {
      const before = merged.get(clustering);
      merged.set(clustering, before ? merge(before, row, ignoreTie) : row);
    }
  return merged;
}

/** Mutations by the partition that they belong to: a replica takes those of one together. */
export function byPartition(mutations: readonly Mutation[]): Mutation[][] {
  const groups = new Map<string, Mutation[]>();
  for (const mutation of mutations) {
    const group = groups.get(mutation.partition);
    if (group) group.push(mutation);
    else groups.set(mutation.partition, [mutation]);
  }
  return [...groups.values()];
}
