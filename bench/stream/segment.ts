/**
 * A segment: consecutive messages of a stream in a file, made before anything is measured. Each message is its length
 * (32 bits, little-endian) and its JSON, so that a sender reads it with next to no work.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { TOPIC } from '../../src/wire/message.ts';
import type { Market } from './market.ts';

/** A segment on disk. */
export interface Segment {
  readonly path: string;
  readonly messages: number;
  /** Number of its last message. */
  readonly lastSequence: number;
  /** Bytes of the JSON frames: what the engine says, without lengths and topics. */
  readonly payloadBytes: number;
}

/** First frame of every message. */
export const TOPIC_FRAME = Buffer.from(TOPIC);

const LENGTH_BYTES = 4;
const PIECE_BYTES = 1024 * 1024;
/** No message of the market is longer. */
const MESSAGE_BYTES_MAX = 1_024;

/** Writes the funding of a market's users. */
export function writeFunding(path: string, market: Market): Segment {
  return write(path, market, market.funding());
}

/** Writes a market's next trades. */
export function writeTrades(path: string, market: Market, trades: number): Segment {
  return write(path, market, nextTrades(market, trades));
}

function* nextTrades(market: Market, trades: number): Generator<string, void, void> {
  for (let made = 0; made < trades; made += 1) yield market.trade();
}

function write(path: string, market: Market, texts: Iterable<string>): Segment {
  const file = openSync(path, 'w');
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  let used = 0;
  let messages = 0;
  let payloadBytes = 0;
  const flush = (): void => {
    for (let at = 0; at < used;) at += writeSync(file, piece, at, used - at);
    used = 0;
  };
  try {
    for (const text of texts) {
      if (used + LENGTH_BYTES + MESSAGE_BYTES_MAX > PIECE_BYTES) flush();
      const bytes = piece.write(text, used + LENGTH_BYTES, 'latin1');
      if (bytes !== text.length) throw new RangeError(`message of ${text.length} characters: ${text}`);
      piece.writeUInt32LE(bytes, used);
      used += LENGTH_BYTES + bytes;
      messages += 1;
      payloadBytes += bytes;
    }
    flush();
  } finally {
    closeSync(file);
  }
  return { path, messages, lastSequence: market.sequence, payloadBytes };
}

/** The JSON frames of a segment, in order. Memory is bounded; a frame is the reader's own for good. */
export function* readSegment(path: string): Generator<Buffer, void, void> {
  const file = openSync(path, 'r');
  try {
    let rest: Buffer = Buffer.alloc(0);
    for (;;) {
      // A new piece each time: frames that a socket still holds are views of it.
      const piece = Buffer.allocUnsafeSlow(rest.length + PIECE_BYTES);
      rest.copy(piece);
      const read = readSync(file, piece, rest.length, PIECE_BYTES, null);
      if (read === 0) break;
      const end = rest.length + read;
      let at = 0;
      while (at + LENGTH_BYTES <= end) {
        const next = at + LENGTH_BYTES + piece.readUInt32LE(at);
        if (next > end) break;
        yield piece.subarray(at + LENGTH_BYTES, next);
        at = next;
      }
      rest = piece.subarray(at, end);
    }
    if (rest.length > 0) throw new Error(`${path} ends within a message`);
  } finally {
    closeSync(file);
  }
}
