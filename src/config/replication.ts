/**
 * The replication of the keyspace, as `CREATE KEYSPACE` wants it. It is read from JSON or from CQL's own map text,
 * checked word by word, and written out again by us: what reaches a statement never is a user's raw text.
 */

/** How many copies of each row there are, and where. */
export type Replication =
  | { readonly class: 'SimpleStrategy'; readonly factor: number }
  | { readonly class: 'NetworkTopologyStrategy'; readonly factors: Readonly<Record<string, number>> };

/** What a replication may be, in words. */
export const REPLICATION_ALLOWED =
  `a map like {'class': 'NetworkTopologyStrategy', 'datacenter1': 3} or ` +
  `{'class': 'SimpleStrategy', 'replication_factor': 1}, with factors from 1 to 9`;

const factorOf = (value: unknown): number | undefined => {
  const factor = typeof value === 'string' && /^\d$/.test(value) ? Number(value) : value;
  return typeof factor === 'number' && Number.isInteger(factor) && factor >= 1 && factor <= 9
    ? factor
    : undefined;
};

/** The replication that a text or value states, or `undefined` where it states none. */
export function parseReplication(raw: unknown): Replication | undefined {
  let map: unknown = raw;
  if (typeof raw === 'string') {
    try {
      map = JSON.parse(raw.replaceAll("'", '"'));
    } catch {
      return undefined;
    }
  }
  if (typeof map !== 'object' || map === null) return undefined;
  const { class: strategy, ...rest } = map as Record<string, unknown>;
  if (strategy === 'SimpleStrategy') {
    const factor = factorOf(rest['replication_factor']);
    return factor === undefined || Object.keys(rest).length !== 1
      ? undefined
      : { class: 'SimpleStrategy', factor };
  }
  if (strategy !== 'NetworkTopologyStrategy') return undefined;
  const factors: Record<string, number> = {};
  for (const [datacenter, value] of Object.entries(rest)) {
    const factor = factorOf(value);
    if (factor === undefined || !/^[A-Za-z0-9_.-]{1,64}$/.test(datacenter)) return undefined;
    factors[datacenter] = factor;
  }
  return Object.keys(factors).length === 0 ? undefined : { class: 'NetworkTopologyStrategy', factors };
}

/** The map literal for `CREATE KEYSPACE … WITH replication = `. */
export function replicationCql(replication: Replication): string {
  const entries =
    replication.class === 'SimpleStrategy'
      ? [`'replication_factor': ${replication.factor}`]
      : Object.entries(replication.factors).map(([datacenter, factor]) => `'${datacenter}': ${factor}`);
  return `{'class': '${replication.class}', ${entries.join(', ')}}`;
}
