/**
 * Reading whole tables by token range: the ring is cut into ranges, a bounded number of them is read at once, page by
 * page, so that an audit's memory does not depend on a table's size. Reads go at quorum (I5a), and one that fails for a
 * reason that may pass is tried again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { errors, types, type Client } from 'cassandra-driver';

/** How tables are read. */
export interface RingOptions {
  /** Ranges into which the ring is cut. @default 32 */
  readonly ranges?: number;
  /** Ranges read at once. @default 4 */
  readonly rangesAtOnce?: number;
  /** Rows a page. Up to two pages of each range under way are held: this bounds memory. @default 500 */
  readonly pageRows?: number;
  /** @default LOCAL_QUORUM */
  readonly consistency?: types.consistencies;
}

/** What takes the rows of one token range, in the order of the range. */
export interface RowSink {
  row(row: types.Row): void | Promise<void>;
  /** The range is at its end. */
  end?(): void | Promise<void>;
}

const TOKEN_MIN = -(2n ** 63n);
const TOKEN_MAX = 2n ** 63n - 1n;
const ATTEMPTS_MAX = 5;
const RETRY_MS_FIRST = 200;

/** Reads tables in whole or in part. */
export class Ring {
  readonly #client: Client;
  readonly #ranges: number;
  readonly #rangesAtOnce: number;
  readonly #pageRows: number;
  readonly #consistency: types.consistencies;

  constructor(client: Client, options: RingOptions = {}) {
    this.#client = client;
    this.#ranges = options.ranges ?? 32;
    this.#rangesAtOnce = options.rangesAtOnce ?? 4;
    this.#pageRows = options.pageRows ?? 500;
    this.#consistency = options.consistency ?? types.consistencies.localQuorum;
  }

  /**
   * Reads a table from end to end.
   *
   * @param select `SELECT … FROM table`, without WHERE
   * @param partitionKey its columns, as within `token(…)`
   * @param begin makes the sink of one range; rows of a partition come together and in their order
   */
  async scan(select: string, partitionKey: string, begin: () => RowSink): Promise<void> {
    const token = `token(${partitionKey})`;
    const query = `${select} WHERE ${token} > ? AND ${token} <= ?`;
    const bounds = tokenRanges(this.#ranges);
    let next = 0;
    const readOne = async (): Promise<void> => {
      for (let at = next++; at < bounds.length; at = next++) {
        const sink = begin();
        await this.pages(query, bounds[at] ?? [], sink);
        await sink.end?.();
      }
    };
    await Promise.all(Array.from({ length: this.#rangesAtOnce }, readOne));
  }

  /** Reads a query page by page. The next page is asked for while one is taken. */
  async pages(query: string, params: readonly unknown[], sink: RowSink): Promise<void> {
    let page: Promise<types.ResultSet> | undefined = this.#execute(query, params);
    while (page) {
      const result: types.ResultSet = await page;
      page = result.pageState ? this.#execute(query, params, result.pageState) : undefined;
      // An error of the next page is met when it is awaited, not before.
      page?.catch(() => undefined);
      for (const row of result.rows) {
        const taken = sink.row(row);
        if (taken) await taken;
      }
    }
  }

  /** The first row of a query, if there is one. */
  async first(query: string, params: readonly unknown[]): Promise<types.Row | undefined> {
    return (await this.#execute(query, params)).rows[0];
  }

  async #execute(query: string, params: readonly unknown[], pageState?: string): Promise<types.ResultSet> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#client.execute(query, params as unknown[], {
          prepare: true,
          isIdempotent: true,
          consistency: this.#consistency,
          fetchSize: this.#pageRows,
          ...(pageState === undefined ? {} : { pageState }),
        });
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || !mayPass(error)) throw error;
        await sleep(RETRY_MS_FIRST * 2 ** (attempt - 1));
      }
    }
  }
}

/** The ring in `count` ranges, each as [above, up to]. No key has the lowest token. */
export function tokenRanges(count: number): [bigint, bigint][] {
  const width = (TOKEN_MAX - TOKEN_MIN) / BigInt(count);
  return Array.from({ length: count }, (_, at): [bigint, bigint] => [
    TOKEN_MIN + width * BigInt(at),
    at === count - 1 ? TOKEN_MAX : TOKEN_MIN + width * BigInt(at + 1),
  ]);
}

function mayPass(error: unknown): boolean {
  if (error instanceof errors.ResponseError) {
    const codes = types.responseErrorCodes;
    return [codes.readTimeout, codes.overloaded, codes.unavailableException, codes.isBootstrapping].includes(
      error.code,
    );
  }
  return error instanceof errors.OperationTimedOutError || error instanceof errors.NoHostAvailableError;
}
