/**
 * Cells encoded by ourselves, as the driver takes them verbatim. A trade is about 130 cells, so their encoding and the
 * garbage of it are a good part of what a trade costs: integers are written through a view of Node's own buffer pool,
 * and texts and small integers that recur in every row are encoded once.
 *
 * Source: CQL binary protocol v4, section 6: bigint and timestamp are 8 bytes, int 4, big-endian, two's complement.
 */

/** Distinct texts and ints that are kept; beyond it they are encoded anew each time. */
const KEPT_MAX = 1_000;

let pool: ArrayBufferLike | undefined;
let view = new DataView(new ArrayBuffer(0));

/** A `bigint` cell. */
export function bigintCell(value: bigint): Buffer {
  const cell = Buffer.allocUnsafe(8);
  if (cell.buffer !== pool) {
    pool = cell.buffer;
    view = new DataView(pool);
  }
  view.setBigInt64(cell.byteOffset, value);
  return cell;
}

/** A `timestamp` cell. */
export function timeCell(timeMs: number): Buffer {
  return bigintCell(BigInt(timeMs));
}

const ints = new Map<number, Buffer>();

/** An `int` cell. */
export function intCell(value: number): Buffer {
  const kept = ints.get(value);
  if (kept) return kept;
  const cell = Buffer.allocUnsafe(4);
  cell.writeInt32BE(value);
  if (ints.size < KEPT_MAX) ints.set(value, cell);
  return cell;
}

const texts = new Map<string, Buffer>();

/** A `text` cell of a text that recurs, such as a stream's name or a kind. */
export function wordCell(text: string): Buffer {
  const kept = texts.get(text);
  if (kept) return kept;
  const cell = Buffer.from(text, 'utf8');
  if (texts.size < KEPT_MAX) texts.set(text, cell);
  return cell;
}
