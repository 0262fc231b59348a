/**
 * What is no event, kind by kind: each malformed message gets its own word, all its faults at once, and its number
 * where that can be read. The table must hold a row for every word of the list.
 */
import { describe, expect, it } from 'vitest';
import { INT64_MAX } from '../../src/domain/integers.ts';
import { decodeMessage } from '../../src/wire/decode.ts';
import { MESSAGE_BYTES_MAX, TRADE_FIELDS, TRANSPORT_BYTES_MAX } from '../../src/wire/message.ts';
import {
  FAULTS_MAX,
  faultLines,
  mostBasicReason,
  REJECT_REASONS,
  type RejectReason,
} from '../../src/wire/reasons.ts';
import { context, decode, DEPOSIT, json, raw, TRADE } from './messages.ts';

/** One malformed message: its reason, how a person calls it, the second frame, the number it still shows. */
type Row = readonly [
  reason: RejectReason,
  name: string,
  data: string | Buffer,
  sequence?: bigint | undefined,
];

const trade = (change: Readonly<Record<string, unknown>>): string => json({ ...TRADE, ...change });
const deposit = (change: Readonly<Record<string, unknown>>): string => json({ ...DEPOSIT, ...change });
const tooDeep = (count: number): string => '['.repeat(count);
const self = { seller_user_id: 1001n, seller_base_version: 22n, seller_quote_version: 21n };

const ROWS: readonly Row[] = [
  ['empty-message', 'a second frame without bytes', ''],
  ['too-large', 'a valid trade above 16 KiB', trade({ note: 'x'.repeat(MESSAGE_BYTES_MAX) }), 42n],
  ['too-large', 'more than the transport carries', `{"a":"${'x'.repeat(TRANSPORT_BYTES_MAX)}"}`],
  ['invalid-utf8', 'a byte that begins no character', Buffer.from([0x7b, 0xff, 0x7d])],
  ['invalid-utf8', 'a surrogate encoded as UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
  ['too-deep', 'sixteen thousand open brackets', tooDeep(16_384)],
  ['too-large', 'a megabyte of open brackets', tooDeep(1_000_000)],
  ['too-deep', 'an unknown field nested 64 deep', deposit({ x: raw(`${tooDeep(64)}${']'.repeat(64)}`) })],
  ['invalid-json', 'white space only', '  \n'],
  ['invalid-json', 'an object cut short', json(TRADE).slice(0, -1)],
  ['invalid-json', 'a byte order mark', `\ufeff${json(TRADE)}`],
  ['invalid-json', 'two objects', json(DEPOSIT) + json(DEPOSIT)],
  ['invalid-json', 'a leading zero', deposit({ amount: raw('010') })],
  ['invalid-json', 'a plus sign', deposit({ amount: raw('+10') })],
  ['invalid-json', 'NaN', deposit({ amount: raw('NaN') })],
  ['not-an-object', 'an array', `[${json(TRADE)}]`],
  ['not-an-object', 'a number', '5'],
  ['not-an-object', 'a float', '5.0'],
  ['not-an-object', 'null', 'null'],
  ['duplicate-key', 'a field twice with the same number', json(TRADE).replace('{', '{"price":350,'), 42n],
  ['duplicate-key', 'a field twice with other numbers', json(TRADE).replace('{', '{"price":351,'), 42n],
  ['duplicate-key', 'a word twice', json(DEPOSIT).replace('{', '{"event_type":"DEPOSIT",'), 41n],
  ['duplicate-key', 'a field twice, once escaped', json(TRADE).replace('{', '{"\\u0070rice":350,'), 42n],
  ['duplicate-key', 'its number twice', json(TRADE).replace('{', '{"output_sequence":42,')],
  ['duplicate-key', 'an unknown field twice', json(TRADE).replace('{', '{"x":[1],"x":[1],'), 42n],
  ['duplicate-key', '__proto__ twice', json(TRADE).replace('{', '{"__proto__":1,"__proto__":2,'), 42n],
  [
    'duplicate-key',
    'one field twice and another missing',
    trade({ price: undefined, match_seq: undefined }).replace('{', '{"trade_id":7,'),
    42n,
  ],
  ['missing-field', 'an empty object', '{}'],
  ...TRADE_FIELDS.map((name): Row => [
    'missing-field',
    `a trade without ${name}`,
    trade({ [name]: undefined }),
    name === 'output_sequence' ? undefined : 42n,
  ]),
  ...Object.keys(DEPOSIT).map((name): Row => [
    'missing-field',
    `a deposit without ${name}`,
    deposit({ [name]: undefined }),
    name === 'sequence_id' ? undefined : 41n,
  ]),
  ...['1.0', '1e3', '1E3', '-0', '-1.5', '0.0', '"5"', '""', 'null', 'true', '[5]', '{}', '{"a":5}'].map(
    (text): Row => ['wrong-type', `an amount of ${text}`, deposit({ amount: raw(text) }), 41n],
  ),
  ['wrong-type', 'a number that is a string', trade({ output_sequence: '42' })],
  ['wrong-type', 'a kind that is a number', deposit({ event_type: 1n }), 41n],
  ['unknown-event-type', 'TRANSFER', deposit({ event_type: 'TRANSFER' }), 41n],
  ['unknown-event-type', 'deposit in small letters', deposit({ event_type: 'deposit' }), 41n],
  ['unknown-event-type', 'constructor', deposit({ event_type: 'constructor' }), 41n],
  ['out-of-range', 'a negative price', trade({ price: -350n }), 42n],
  ['out-of-range', 'a negative version', deposit({ version: -1n }), 41n],
  ['out-of-range', 'a user id of 2^63', deposit({ user_id: INT64_MAX + 1n }), 41n],
  ['out-of-range', 'a trade id of 2^64 - 1', trade({ trade_id: (1n << 64n) - 1n }), 42n],
  ['out-of-range', 'a number of ten thousand digits', deposit({ related_id: raw('9'.repeat(10_000)) }), 41n],
  ['out-of-range', 'an asset of 2^31', trade({ base_asset: 1n << 31n }), 42n],
  ['out-of-range', 'a currency of 2^31', deposit({ currency: 1n << 31n }), 41n],
  ['out-of-range', 'a time in the year 10000', trade({ settled_at: 253_402_300_800_000n }), 42n],
  ['out-of-range', 'a time in microseconds', deposit({ created_at: 1_795_356_055_368_000n }), 41n],
  ['out-of-range', 'a trade numbered 0', trade({ output_sequence: 0n })],
  ['out-of-range', 'a deposit numbered 0', deposit({ sequence_id: 0n })],
  ['out-of-range', 'a deposit numbered 2^63', deposit({ sequence_id: INT64_MAX + 1n })],
  ['not-positive', 'a price of 0', trade({ price: 0n }), 42n],
  ['not-positive', 'a quantity of 0', trade({ quantity: 0n }), 42n],
  ['not-positive', 'an amount of 0', deposit({ amount: 0n }), 41n],
  ['same-asset', 'a trade of an asset against itself', trade({ base_asset: 2n }), 42n],
  ['amount-overflow', 'price × quantity of 2^63', trade({ price: 1n << 32n, quantity: 1n << 31n }), 42n],
  [
    'amount-overflow',
    'the amount and the buyer’s refund',
    trade({ buyer_refund: INT64_MAX - 350n * 68n + 1n }),
    42n,
  ],
  ['amount-overflow', 'the quantity and the seller’s refund', trade({ seller_refund: INT64_MAX - 67n }), 42n],
  ['version-overflow', 'a deposit on the last version', deposit({ version: INT64_MAX }), 41n],
  ['version-overflow', 'a buyer on the last base version', trade({ buyer_base_version: INT64_MAX }), 42n],
  ['version-overflow', 'a seller on the last quote version', trade({ seller_quote_version: INT64_MAX }), 42n],
  [
    'version-overflow',
    'a refund on the last version but one',
    trade({ buyer_refund: 1n, buyer_quote_version: INT64_MAX - 1n }),
    42n,
  ],
  [
    'version-overflow',
    'a seller’s refund likewise',
    trade({ seller_refund: 1n, seller_base_version: INT64_MAX - 1n }),
    42n,
  ],
  ['self-trade-versions', 'base legs on the same version', trade({ ...self, seller_base_version: 21n }), 42n],
  [
    'self-trade-versions',
    'quote legs on the same version',
    trade({ ...self, seller_quote_version: 20n }),
    42n,
  ],
  ['self-trade-versions', 'quote legs that forget the refund', trade({ ...self, buyer_refund: 1n }), 42n],
  [
    'self-trade-versions',
    'quote legs that invent a refund',
    trade({ ...self, seller_quote_version: 22n }),
    42n,
  ],
];

describe('a malformed message', () => {
  const rows = ROWS.map(([reason, name, data, sequence]) => ({ reason, name, data, sequence }));

  it.each(rows)('is rejected as $reason: $name', ({ reason, data, sequence }) => {
    const decoded = decode(data);
    if (decoded.kind !== 'rejected') throw new Error('decoded as an event');
    expect(decoded.reason, decoded.faults.join('; ')).toBe(reason);
    expect(decoded.faults.length).toBeGreaterThan(0);
    expect(decoded.sequence).toBe(sequence);
  });

  it.each([0, 1, 3])('of %i frames is rejected as frame-count', (count) => {
    const frames = [Buffer.from('settlement'), Buffer.from(json(TRADE)), Buffer.alloc(0)].slice(0, count);
    const faults = [`frame-count: ${count} frames, not 2`];
    expect(decodeMessage(frames, 'numbered', context)).toEqual({
      kind: 'rejected',
      reason: 'frame-count',
      faults,
    });
  });

  it('under another topic is rejected as unknown-topic, with its number', () => {
    const decoded = decodeMessage([Buffer.from('Settlement'), Buffer.from(json(TRADE))], 'numbered', context);
    const faults = ['unknown-topic: the first frame is "Settlement"'];
    expect(decoded).toEqual({ kind: 'rejected', reason: 'unknown-topic', faults, sequence: 42n });
  });

  it('that the divisor does not divide is rejected as indivisible', () => {
    const given = { ...context, divisorOf: (base: number, quote: number) => BigInt(base * 1_000 + quote) };
    const decoded = decode(json(TRADE), 'numbered', given);
    const faults = ['indivisible: price × quantity is 23800, no multiple of the divisor 1002'];
    expect(decoded).toEqual({ kind: 'rejected', reason: 'indivisible', faults, sequence: 42n });
  });

  it('has a row above for every reason, but for those of other tests and the ingest’s own', () => {
    const tested = new Set<RejectReason>(ROWS.map(([reason]) => reason));
    for (const word of ['frame-count', 'unknown-topic', 'indivisible', 'phantom-lock'] as const)
      tested.add(word);
    expect([...tested].sort()).toEqual([...REJECT_REASONS].sort());
  });

  it('has all its faults listed, each led by its word, under the most basic reason', () => {
    const broken = {
      price: -1n,
      quantity: 0n,
      base_asset: '1',
      match_seq: undefined,
      buyer_quote_version: INT64_MAX,
    };
    const decoded = decode(trade(broken));
    expect(decoded).toEqual({
      kind: 'rejected',
      reason: 'missing-field',
      faults: [
        'out-of-range: price is the number -1, below 1',
        'not-positive: quantity is 0',
        'wrong-type: base_asset is the string "1", not a plain integer',
        'missing-field: match_seq is missing',
        'version-overflow: buyer_quote_version + 1 is above 2^63-1',
      ],
      sequence: 42n,
    });
  });

  it('names 2^63-1 as the bound that a u64 passes', () => {
    const decoded = decode(deposit({ user_id: (1n << 64n) - 1n }));
    expect(decoded.kind === 'rejected' && decoded.faults).toEqual([
      'out-of-range: user_id is the number 18446744073709551615, above 2^63-1',
    ]);
  });

  it('shows no number where two fields state one, or in a classic stream', () => {
    const both = decode(trade({ sequence_id: 42n, price: 0n }));
    expect(both.kind === 'rejected' && both.sequence).toBeUndefined();
    const classic = decode(trade({ price: 0n }), 'classic');
    expect(classic.kind === 'rejected' && classic.sequence).toBeUndefined();
    expect('sequence' in classic).toBe(false);
  });

  it('with a duplicate has that fault once, and none about the value', () => {
    const decoded = decode(json(TRADE).replace('{', '{"price":351,'));
    expect(decoded.kind === 'rejected' && decoded.faults).toEqual([
      'duplicate-key: the key "price" stands more than once',
    ]);
  });

  it('lists a bounded number of faults, each of bounded length', () => {
    const keys = Array.from({ length: 500 }, (_, i) => `"${'k'.repeat(10)}${i}":1,"${'k'.repeat(10)}${i}":1`);
    const decoded = decode(`{${keys.join(',')}}`.slice(0, MESSAGE_BYTES_MAX));
    expect(decoded.kind === 'rejected' && decoded.reason).toBe('invalid-json');
    const many = decode(`{${keys.slice(0, 400).join(',')}}`);
    if (many.kind !== 'rejected') throw new Error('decoded as an event');
    expect(many.faults).toHaveLength(FAULTS_MAX + 1);
    expect(many.faults.every((line) => line.length < 200)).toBe(true);
  });

  it('of many duplicates beside one large value costs no quadratic time', () => {
    const large = Array.from({ length: 40_000 }, (_, i) => `"${i}":0`).join(',');
    const data = `{"x":{${large}}${',"x":{}'.repeat(50_000)}}`;
    const started = performance.now();
    const decoded = decode(data);
    expect(decoded.kind === 'rejected' && decoded.reason).toBe('too-large');
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('a reason', () => {
  it('is the most basic of the faults, whatever their order', () => {
    const faults = REJECT_REASONS.toReversed().map((reason) => ({ reason, text: 'x' }));
    expect(mostBasicReason(faults)).toBe('frame-count');
    expect(faultLines(faults)).toHaveLength(REJECT_REASONS.length);
  });

  it('cannot be had for a message without faults', () => {
    expect(() => mostBasicReason([])).toThrow(RangeError);
  });
});
