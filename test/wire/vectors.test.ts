/** The vectors of docs/wire.md: what an engine in any language may be held against is what the code does. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ClassicAdapter } from '../../src/ingest/classic.ts';
import { decodeControl, encodeControl } from '../../src/wire/control.ts';
import { decodeMessage } from '../../src/wire/decode.ts';
import { encodeMessage, messageOf } from '../../src/wire/encode.ts';
import type { Dialect } from '../../src/wire/message.ts';
import { REJECT_REASONS } from '../../src/wire/reasons.ts';
import { context } from './messages.ts';

type Piece = string | { readonly hex: string } | { readonly repeat: string; readonly times: number };
type Frame = Piece | readonly Piece[];
type Fields = Readonly<Record<string, string>>;

interface MessageVector {
  readonly name: string;
  readonly dialect: Dialect;
  readonly divisor?: string;
  readonly frames: readonly Frame[];
  readonly event?: Fields;
  readonly digest?: string;
  readonly unknownFields?: readonly string[];
  readonly rejected?: { readonly reason: string; readonly sequence?: string };
}

interface ClassicVector {
  readonly name: string;
  readonly available: string;
  readonly frames: readonly Frame[];
  readonly rejected?: { readonly reason: string };
  readonly version?: string;
}

interface ControlVector {
  readonly name: string;
  readonly frames: readonly Frame[];
  readonly message?: Fields;
  readonly passedOver?: true;
  readonly faults?: readonly string[];
}

const vectors = JSON.parse(readFileSync(new URL('../data/wire-vectors.json', import.meta.url), 'utf8')) as {
  readonly messages: readonly MessageVector[];
  readonly classic: readonly ClassicVector[];
  readonly control: readonly ControlVector[];
};

function bytesOf(frame: Frame): Buffer {
  if (typeof frame === 'string') return Buffer.from(frame);
  if ('hex' in frame) return Buffer.from(frame.hex, 'hex');
  if ('repeat' in frame) return Buffer.from(frame.repeat.repeat(frame.times));
  return Buffer.concat(frame.map(bytesOf));
}

/** 64-bit integers as decimal strings. */
function texts(fields: object): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)]));
}

describe('a message', () => {
  test.each(vectors.messages)('$name', ({ dialect, divisor = '1', frames, ...expected }) => {
    const decoded = decodeMessage(frames.map(bytesOf), dialect, {
      ...context,
      divisorOf: () => BigInt(divisor),
    });
    if (decoded.kind === 'rejected') {
      const { reason, sequence } = decoded;
      expect({ reason, ...(sequence === undefined ? {} : { sequence: `${sequence}` }) }).toEqual(
        expected.rejected,
      );
      return;
    }
    const { event, digest, unknownFields } = decoded;
    const message = messageOf(event, dialect);
    const quoteAmount = event.kind === 'trade' ? { quoteAmount: event.quoteAmount } : {};
    expect(texts({ kind: event.kind, ...quoteAmount, ...message })).toEqual(expected.event);
    expect(digest.toString('hex')).toBe(expected.digest);
    expect(unknownFields).toEqual(expected.unknownFields);
    // And back: what we write of it is read as the same.
    const again = decodeMessage(encodeMessage(message), dialect, {
      ...context,
      divisorOf: () => BigInt(divisor),
    });
    expect(again).toMatchObject({ kind: 'event', event, digest });
  });
});

describe('in a classic stream', () => {
  test.each(vectors.classic)('$name', async ({ available, frames, rejected, version }) => {
    const decoded = decodeMessage(frames.map(bytesOf), 'classic', context);
    if (decoded.kind !== 'event') throw new Error(decoded.faults.join());
    const adapter = new ClassicAdapter({
      lastSequence: 0n,
      lastTradeNumber: 0n,
      readBalances: () => Promise.resolve([{ available: BigInt(available), frozen: 0n, version: 1n }]),
      readTradeDigest: () => Promise.resolve(undefined),
    });
    const admission = await adapter.admit(decoded.event, decoded.digest);
    if (rejected) expect(admission).toEqual({ kind: rejected.reason, available: BigInt(available) });
    else expect(admission).toMatchObject({ kind: 'next', event: { version: BigInt(version ?? -1) } });
  });
});

describe('a control message', () => {
  test.each(vectors.control)('$name', ({ frames, message, passedOver, faults }) => {
    const decoded = decodeControl(frames.map(bytesOf));
    if (decoded.kind === 'message') {
      expect(texts(decoded.message)).toEqual(message);
      expect(decodeControl([encodeControl(decoded.message)])).toEqual(decoded);
    } else if (decoded.kind === 'unknown') expect(passedOver).toBe(true);
    else expect(decoded.faults.map(({ reason }) => reason)).toEqual(faults);
  });

  test('is written in the bytes that the vectors show', () => {
    const encoded = [
      encodeControl({ type: 'resume', stream: 'main', from: 41n, lease: 3n }),
      encodeControl({ type: 'settled', stream: 'main', upTo: 40n, lease: 3n }),
      encodeControl({ type: 'unavailable', oldest: 30n }),
      encodeControl({ type: 'old-lease', lease: 7n }),
    ];
    const shown = vectors.control.flatMap(({ name, frames }) =>
      ['resume', 'settled', 'unavailable', 'old-lease'].includes(name) ? frames.map(bytesOf) : [],
    );
    expect(encoded.map(String)).toEqual(shown.map(String));
  });
});

test('each reject reason has its vector', () => {
  const shown = [...vectors.messages, ...vectors.classic].flatMap(({ rejected }) => rejected?.reason ?? []);
  expect(REJECT_REASONS.filter((reason) => !shown.includes(reason))).toEqual([]);
});
