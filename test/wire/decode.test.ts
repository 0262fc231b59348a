/**
 * What is an event: exact values over the whole of 63 bits in both dialects, the recorded streams, unknown fields, and
 * that no bytes at all make the decoder throw.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentDigest } from '../../src/domain/digest.ts';
import { INT64_MAX } from '../../src/domain/integers.ts';
import { decodeMessage, type DecodedEvent } from '../../src/wire/decode.ts';
import { encodeMessage, messageOf } from '../../src/wire/encode.ts';
import { MESSAGE_BYTES_MAX, type Dialect, type Message } from '../../src/wire/message.ts';
import {
  anyLedger,
  anyTrade,
  context,
  decode,
  DEPOSIT,
  json,
  raw,
  RECEIVED_AT_MS,
  recording,
  TRADE,
} from './messages.ts';

const DIALECTS: readonly Dialect[] = ['numbered', 'classic'];

function eventOf(data: string | Buffer, dialect: Dialect = 'numbered'): DecodedEvent {
  const decoded = decode(data, dialect);
  if (decoded.kind !== 'event') throw new Error(decoded.faults.join('; '));
  return decoded.event;
}

/** The one spelling that is not kept: WITHDRAWAL and WITHDRAW mean the same. */
function normal(message: Message, dialect: Dialect): Message {
  if ('trade_id' in message || !message.event_type.startsWith('WITHDRAW')) return message;
  return { ...message, event_type: dialect === 'classic' ? 'WITHDRAWAL' : 'WITHDRAW' };
}

describe.each(DIALECTS)('a %s message', (dialect) => {
  it('states after decoding just what was encoded, for the whole of 63 bits', () => {
    const anyMessage: fc.Arbitrary<Message> = fc.oneof(anyTrade, anyLedger(dialect));
    fc.assert(
      fc.property(anyMessage, (message) => {
        const decoded = decodeMessage(encodeMessage(message), dialect, context);
        if (decoded.kind !== 'event') throw new Error(decoded.faults.join('; '));
        expect(messageOf(decoded.event, dialect)).toEqual(normal(message, dialect));
        expect(decoded.unknownFields).toEqual([]);
        expect(decoded.digest).toEqual(contentDigest(decoded.event));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is read in any order of its fields and with white space', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(Object.entries(TRADE), { minLength: 18 }), (entries) => {
        const data = json(Object.fromEntries(entries)).replaceAll(',', ' ,\r\n\t ').replaceAll(':', ' : ');
        expect(eventOf(` ${data} `, dialect)).toEqual(eventOf(json(TRADE), dialect));
      }),
      { numRuns: 50 },
    );
  });
});

describe('a trade', () => {
  it('of a numbered stream carries its number as its sequence, and its quote amount', () => {
    expect(eventOf(json(TRADE))).toEqual({
      kind: 'trade',
      sequence: 42n,
      timeMs: 1_795_356_055_368,
      stamped: false,
      tradeId: 7n,
      buyOrderId: 11n,
      sellOrderId: 12n,
      buyerUserId: 1001n,
      sellerUserId: 1002n,
      price: 350n,
      quantity: 68n,
      baseAsset: 1,
      quoteAsset: 2,
      buyerRefund: 0n,
      sellerRefund: 0n,
      matchSeq: 3n,
      outputSequence: 42n,
      quoteAmount: 23_800n,
      buyerQuoteVersion: 20n,
      buyerBaseVersion: 21n,
      sellerBaseVersion: 22n,
      sellerQuoteVersion: 23n,
    });
  });

  it('of a classic stream has no sequence yet, but its own number', () => {
    expect(eventOf(json(TRADE), 'classic')).toMatchObject({ sequence: 0n, outputSequence: 42n });
  });

  it('without a time is stamped with the moment of its arrival', () => {
    expect(eventOf(json({ ...TRADE, settled_at: 0n }))).toMatchObject({
      timeMs: RECEIVED_AT_MS,
      stamped: true,
    });
  });

  it('divides price × quantity by the divisor of its two assets', () => {
    const divisorOf = (base: number, quote: number): bigint => (base === 1 && quote === 2 ? 100n : 7n);
    const decoded = decode(json(TRADE), 'numbered', { ...context, divisorOf });
    expect(decoded).toMatchObject({ kind: 'event', event: { quoteAmount: 238n } });
  });

  it('with oneself is an event where its legs follow each other', () => {
    const self = { ...TRADE, seller_user_id: 1001n, seller_base_version: 22n };
    expect(eventOf(json({ ...self, seller_quote_version: 21n }))).toMatchObject({ sellerQuoteVersion: 21n });
    const refunded = { ...self, buyer_refund: 5n, seller_quote_version: 22n };
    expect(eventOf(json(refunded))).toMatchObject({ sellerQuoteVersion: 22n });
  });

  it('may reach the last version and the last unit', () => {
    const last = { ...TRADE, price: INT64_MAX, quantity: 1n, seller_quote_version: INT64_MAX - 1n };
    expect(eventOf(json(last))).toMatchObject({ quoteAmount: INT64_MAX, sellerQuoteVersion: INT64_MAX - 1n });
  });
});

describe('a ledger event', () => {
  it.each([
    ['DEPOSIT', 'deposit'],
    ['WITHDRAW', 'withdraw'],
    ['WITHDRAWAL', 'withdraw'],
    ['LOCK', 'lock'],
    ['UNLOCK', 'unlock'],
  ])('%s is a %s', (word, kind) => {
    expect(eventOf(json({ ...DEPOSIT, event_type: word }))).toMatchObject({
      kind,
      sequence: 41n,
      versionStated: true,
    });
  });

  it('of a classic stream has neither sequence nor version yet', () => {
    const { version: _, ...classic } = DEPOSIT;
    const unassigned = { sequence: 0n, sequenceId: 0n, version: 0n, versionStated: false };
    expect(eventOf(json({ ...classic, sequence_id: 0n }), 'classic')).toMatchObject(unassigned);
  });

  it('of a classic stream that states a version keeps it unread and counted', () => {
    const decoded = decode(json({ ...DEPOSIT, version: 'not even a number' }), 'classic');
    expect(decoded).toMatchObject({ kind: 'event', event: { version: 0n }, unknownFields: ['version'] });
  });

  it('without a time is stamped with the moment of its arrival', () => {
    expect(eventOf(json({ ...DEPOSIT, created_at: 0n }))).toMatchObject({
      timeMs: RECEIVED_AT_MS,
      stamped: true,
    });
  });
});

describe('an unknown field', () => {
  it('is ignored and counted, whatever it holds', () => {
    const extra = { ...TRADE, fee: 1.5, note: 'x', tags: raw('[1,{"a":null,"a":1}]'), event_type: 'DEPOSIT' };
    const decoded = decode(json(extra));
    expect(decoded).toMatchObject({ kind: 'event', unknownFields: ['fee', 'note', 'tags', 'event_type'] });
    expect(decoded.kind === 'event' && decoded.event).toEqual(eventOf(json(TRADE)));
  });

  it('may be nested, up to 64 deep with the message itself', () => {
    const decoded = decode(json({ ...DEPOSIT, x: raw(`${'['.repeat(63)}${']'.repeat(63)}`) }));
    expect(decoded).toMatchObject({ kind: 'event', unknownFields: ['x'] });
  });

  it('named __proto__ or constructor changes nothing', () => {
    const poison = '{"__proto__":{"trade_id":1,"polluted":1},"constructor":{"prototype":{"polluted":1}},';
    const decoded = decode(json(DEPOSIT).replace('{', poison));
    expect(decoded).toMatchObject({ kind: 'event', unknownFields: ['__proto__', 'constructor'] });
    expect(decoded.kind === 'event' && decoded.event).toEqual(eventOf(json(DEPOSIT)));
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('named __proto__ lends the message no field', () => {
    const lent = json({ ...DEPOSIT, amount: undefined }).replace('{', '{"__proto__":{"amount":5},');
    expect(decode(lent)).toMatchObject({ kind: 'rejected', reason: 'missing-field' });
  });
});

describe('the size of a message', () => {
  it('may be 16 KiB to the byte', () => {
    const padded = (bytes: number): string =>
      json(DEPOSIT).replace('{', `{${' '.repeat(bytes - json(DEPOSIT).length)}`);
    expect(decode(padded(MESSAGE_BYTES_MAX)).kind).toBe('event');
    expect(decode(padded(MESSAGE_BYTES_MAX + 1))).toMatchObject({ reason: 'too-large', sequence: 41n });
  });
});

describe('the recorded streams', () => {
  it.each(['classic-e2e', 'classic-phantom-locks'] as const)('%s decodes without a rejection', (name) => {
    const frames = recording(name);
    for (const message of frames) {
      const decoded = decodeMessage(message, 'classic', context);
      if (decoded.kind !== 'event') throw new Error(`${decoded.faults.join('; ')}: ${message[1].toString()}`);
      expect(decoded.unknownFields).toHaveLength(0);
      const again = encodeMessage(messageOf(decoded.event, 'classic'));
      expect(again[1].toString()).toBe(message[1].toString());
    }
    expect(frames).toHaveLength(name === 'classic-e2e' ? 343 : 7_455);
  });
});

describe('arbitrary bytes', () => {
  const dialect = fc.constantFrom(...DIALECTS);

  it('never make the decoder throw', () => {
    const frame = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 4 }), dialect, (frames, which) => {
        expect(decodeMessage(frames, which, context).kind).toBe('rejected');
      }),
      { numRuns: 1_000 },
    );
  });

  it('never make the decoder throw when they stand in a valid message', () => {
    const valid = fc
      .oneof(anyTrade, anyLedger('numbered'), anyLedger('classic'))
      .map((m) => encodeMessage(m)[1]);
    const splice = fc.record({ at: fc.nat(450), cut: fc.nat(12), put: fc.uint8Array({ maxLength: 12 }) });
    fc.assert(
      fc.property(
        valid,
        fc.array(splice, { minLength: 1, maxLength: 3 }),
        dialect,
        (bytes, splices, which) => {
          let data = bytes;
          for (const { at, cut, put } of splices) {
            const from = at % (data.length + 1);
            data = Buffer.concat([data.subarray(0, from), put, data.subarray(from + cut)]);
          }
          const decoded = decode(data, which);
          if (decoded.kind === 'rejected') expect(decoded.faults.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('never make the decoder throw when they are tokens of JSON', () => {
    const token = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      '\\',
      '"price"',
      '"trade_id"',
      '"__proto__"',
      '1',
      '-',
      '.',
      'e',
      'null',
      ' ',
      '\u0000',
      '"\\u0000"',
      '🜁',
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 40 }), dialect, (tokens, which) => {
        expect(decode(tokens.join(''), which).kind).toBe('rejected');
      }),
      { numRuns: 3_000 },
    );
  });
});
