/** One replica: partitions of rows. It merges what it is told, and knows nothing of the others. */
import { merge, type Row } from './cells.ts';

/** One row of one statement on its way to replicas. */
export interface Mutation {
  /** Table and partition key. */
  readonly partition: string;
  /** Clustering key. */
  readonly clustering: string;
  readonly row: Row;
}

/** Told where two writes of a cell of a partition at the same time differ. */
export type PlacedTieListener = (partition: string, column: string, a: unknown, b: unknown) => void;

type Partition = Map<string, Row>;
const NO_ROWS: ReadonlyMap<string, Row> = new Map();

/** A copy of everything. */
export class Replica {
  /** Until then it takes no writes and answers no reads, ms. */
  downUntilMs = 0;
  readonly #partitions = new Map<string, Partition>();

  /** Takes a row in. */
  apply({ partition, clustering, row }: Mutation, onTie: PlacedTieListener): void {
    let rows = this.#partitions.get(partition);
    if (!rows) {
      rows = new Map();
      this.#partitions.set(partition, rows);
    }
    const before = rows.get(clustering);
    if (!before) rows.set(clustering, row);
    else if (before !== row)
      rows.set(
        clustering,
        merge(before, row, (column, a, b) => {
          onTie(partition, column, a, b);
        }),
      );
  }

  /** Takes the outcome of a lightweight transaction. */
  put({ partition, clustering, row }: Mutation): void {
    const rows = this.#partitions.get(partition) ?? new Map<string, Row>();
    rows.set(clustering, row);
    this.#partitions.set(partition, rows);
  }

  row(partition: string, clustering: string): Row | undefined {
    return this.#partitions.get(partition)?.get(clustering);
  }

  rows(partition: string): ReadonlyMap<string, Row> {
    return this.#partitions.get(partition) ?? NO_ROWS;
  }

  /** Names of its partitions. */
  get partitions(): Iterable<string> {
    return this.#partitions.keys();
  }
}
