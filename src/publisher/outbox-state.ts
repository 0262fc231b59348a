/**
 * How an outbox lies on disk, and what is read of it when it is opened. Keys are a letter and 8 bytes big-endian: `e` an
 * event by its sequence, `t` a mark of the time at which a watermark was heard of. An event's value starts with the bytes
 * of all events ever appended, its own included, so that any range's size is a subtraction.
 */
import type { ClassicLevel } from 'classic-level';
import { OutboxOpenError } from './errors.ts';

/** The database of an outbox. */
export type OutboxDatabase = ClassicLevel<Buffer, Buffer>;

const FORMAT = '1';
/** Bytes before the message in an event's value. */
export const TOTAL_BYTES = 8;
export const EVENT = 0x65;
export const MARK = 0x74;
/** Keys of what there is one of. */
export const META = { stream: metaKey('stream'), settled: metaKey('settled'), lease: metaKey('lease') };

/** What stands in an outbox. */
export interface OutboxState {
  readonly oldest: bigint;
  readonly last: bigint;
  readonly total: bigint;
  readonly trimmed: bigint;
  readonly settledUpTo: bigint;
  /** Bytes of all events up to there. */
  readonly settledTotal: bigint;
  readonly lease: bigint;
  /** Watermarks with the latest time at which each was heard of, ascending; the last is still open. */
  marks: { upTo: bigint; openedMs: number; timeMs: number }[];
}

/**
 * Reads it, and gives a new outbox to its stream.
 *
 * @throws {@link OutboxOpenError} if it is another stream's, or of a format that this program does not know
 */
export async function readState(
  db: OutboxDatabase,
  folder: string,
  stream: string,
  firstSequence: bigint,
): Promise<OutboxState> {
  const owner = (await db.get(META.stream))?.toString();
  if (owner === undefined) await db.put(META.stream, Buffer.from(`${FORMAT}:${stream}`), { sync: true });
  else if (owner !== `${FORMAT}:${stream}`)
    throw new OutboxOpenError(
      folder,
      owner.startsWith(`${FORMAT}:`)
        ? `it is stream ${owner.slice(2)}'s, not ${stream}'s: give ${stream} a folder of its own`
        : `its format is ${owner.split(':')[0]}, this program knows ${FORMAT}`,
    );
  const events = { gte: keyOf(EVENT, 0n), lt: Buffer.from([EVENT + 1]) };
  const [first] = await db.iterator({ ...events, limit: 1 }).all();
  const [final] = await db.iterator({ ...events, limit: 1, reverse: true }).all();
  const marks: OutboxState['marks'] = [];
  for await (const [key, value] of db.iterator({ gte: keyOf(MARK, 0n), lt: Buffer.from([MARK + 1]) })) {
    const timeMs = Number(value.readBigUInt64BE());
    marks.push({ upTo: key.readBigUInt64BE(1), openedMs: timeMs, timeMs });
  }
  const read64 = async (key: Buffer): Promise<bigint> => (await db.get(key))?.readBigUInt64BE() ?? 0n;
  const trimmed = first === undefined ? 0n : bytesBefore(first[1]);
  const settledUpTo = await read64(META.settled);
  return {
    oldest: first?.[0].readBigUInt64BE(1) ?? firstSequence,
    last: final?.[0].readBigUInt64BE(1) ?? firstSequence - 1n,
    total: final?.[1].readBigUInt64BE() ?? 0n,
    trimmed,
    settledUpTo,
    settledTotal: (await db.get(keyOf(EVENT, settledUpTo)))?.readBigUInt64BE() ?? trimmed,
    lease: await read64(META.lease),
    marks,
  };
}

/** Bytes of all events before the one of this value. */
export function bytesBefore(value: Buffer): bigint {
  return value.readBigUInt64BE() - BigInt(value.length - TOTAL_BYTES);
}

/** Keys sort by letter, then by number. */
export function keyOf(letter: number, sequence: bigint): Buffer {
  const key = Buffer.alloc(9);
  key[0] = letter;
  key.writeBigUInt64BE(sequence, 1);
  return key;
}

function metaKey(name: string): Buffer {
  return Buffer.from(`m${name}`);
}

/** 8 bytes big-endian. */
export function number64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}
