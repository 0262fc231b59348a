/**
 * Mutations of valid frames: of bytes, of the text, of fields and their values, of the frames of a message. Some keep a
 * message valid; what becomes of each is for the decoder to say.
 */
import type { Random } from '../../src/simulator/random.ts';
import {
  LEDGER_FIELDS,
  MESSAGE_BYTES_MAX,
  TOPIC,
  TRADE_FIELDS,
  TRANSPORT_BYTES_MAX,
} from '../../src/wire/message.ts';
import type { Frames } from './frames.ts';

type Mutate = (frames: Frames, random: Random, other: Frames) => Frames;

const FIELD = /"(\w+)":("(?:[^"\\]|\\.)*"|[^,}\s]+)/g;

/** Numbers at and beyond every bound, and what is no plain integer. */
const NUMBERS = (
  '0 1 -1 -0 2147483647 2147483648 4294967296 9007199254740993 253402300799999 253402300800000 ' +
  '9223372036854775806 9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616 ' +
  '99999999999999999999999999 4294967295 3037000500 1.0 1e3 1E400 0.5 -1e-400 00 01 +1 .5 1. NaN Infinity 0x10 1_000'
).split(' ');
const VALUES = 'null true "" "5" [] {} [1] {"a":1} "\\u0000" "\\ud800" undefined 5n'.split(' ');
const WORDS = [
  '"deposit"',
  '"DEPOSIT "',
  '"SETTLE"',
  '"WITHDRAWAL"',
  '"LOCK"',
  '""',
  '"\\u004cOCK"',
  '"UNLOCK"',
];
const TEXTS = [
  '[]',
  '5',
  '"text"',
  'null',
  'true',
  '[{"a":1}]',
  '5.0',
  '{}',
  ' ',
  '{',
  '}',
  '\ufeff{}',
  '{"a":1}',
];
const BROKEN_UTF8 = ['ff', 'c0af', 'eda080', 'f4908080', 'e282', '80', 'fe', 'f8888080'].map((hex) =>
  Buffer.from(hex, 'hex'),
);
const TOPICS = ['', 'Settlement', 'settlement ', 'settlemen', 'trade', '\u0000', 'settlement\u0000'];
const NAMES = [...TRADE_FIELDS, ...LEDGER_FIELDS, '__proto__', 'constructor', 'toString', 'extra', ''];

const dataOf = (frames: Frames): Buffer => frames[1] ?? Buffer.alloc(0);
const withData = (frames: Frames, data: Buffer | string): Frames => [
  frames[0] ?? Buffer.from(TOPIC),
  typeof data === 'string' ? Buffer.from(data) : data,
  ...frames.slice(2),
];
const pick = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)] as T;

/** A copy of the text with what stands at one of its fields replaced. */
function editField(frames: Frames, random: Random, edit: (name: string, value: string) => string): Frames {
  const text = dataOf(frames).toString('latin1');
  const fields = [...text.matchAll(FIELD)];
  if (fields.length === 0) return frames;
  const field = pick(random, fields);
  const [whole, name = '', value = ''] = field;
  const at = field.index;
  return withData(
    frames,
    Buffer.from(text.slice(0, at) + edit(name, value) + text.slice(at + whole.length), 'latin1'),
  );
}

const setValue = (random: Random, values: readonly string[]) => (name: string) =>
  `"${name}":${pick(random, values)}`;

function insertText(frames: Frames, random: Random, text: string): Frames {
  const data = dataOf(frames).toString('latin1');
  const at = data.startsWith('{') && random.chance(900) ? 1 : random.below(data.length + 1);
  return withData(frames, Buffer.from(data.slice(0, at) + text + data.slice(at), 'latin1'));
}

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

/** All mutations, by name. */
export const MUTATIONS: Readonly<Record<string, Mutate>> = {
  flipBits: (frames, random) => {
    const data = Buffer.from(dataOf(frames));
    for (let count = random.below(4); count >= 0 && data.length > 0; count -= 1)
      data[random.below(data.length)]! ^= 1 << random.below(8);
    return withData(frames, data);
  },
  setBytes: (frames, random) => {
    const data = Buffer.from(dataOf(frames));
    if (data.length > 0) data[random.below(data.length)] = random.below(256);
    return withData(frames, data);
  },
  truncate: (frames, random) =>
    withData(frames, dataOf(frames).subarray(0, random.below(dataOf(frames).length + 1))),
  dropBytes: (frames, random) => {
    const data = dataOf(frames);
    const from = random.below(data.length + 1);
    return withData(frames, Buffer.concat([data.subarray(0, from), data.subarray(from + random.below(8))]));
  },
  repeatBytes: (frames, random) => {
    const data = dataOf(frames);
    const from = random.below(data.length + 1);
    const to = Math.min(data.length, from + random.below(40));
    return withData(frames, Buffer.concat([data.subarray(0, to), data.subarray(from)]));
  },
  splice: (frames, random, other) => {
    const [one, two] = [dataOf(frames), dataOf(other)];
    return withData(
      frames,
      Buffer.concat([
        one.subarray(0, random.below(one.length + 1)),
        two.subarray(random.below(two.length + 1)),
      ]),
    );
  },
  spliceFields: (frames, _random, other) => {
    const [one, two] = [dataOf(frames).toString('latin1'), dataOf(other).toString('latin1')];
    return withData(frames, Buffer.from(`${one.slice(0, -1)},${two.slice(1)}`, 'latin1'));
  },
  editNumber: (frames, random) => editField(frames, random, setValue(random, NUMBERS)),
  editDigits: (frames, random) =>
    editField(
      frames,
      random,
      (name, value) => `"${name}":${value}${random.below(10).toString().repeat(random.below(12))}`,
    ),
  editValue: (frames, random) => editField(frames, random, setValue(random, VALUES)),
  editWord: (frames, random) => {
    const text = dataOf(frames).toString('latin1');
    return withData(
      frames,
      Buffer.from(text.replace(/("event_type":)"\w*"/, `$1${pick(random, WORDS)}`), 'latin1'),
    );
  },
  copyValue: (frames, random) => {
    const values = [...dataOf(frames).toString('latin1').matchAll(FIELD)].map(([, , value = '0']) => value);
    return values.length === 0 ? frames : editField(frames, random, setValue(random, values));
  },
  sameAsset: (frames) => {
    const text = dataOf(frames).toString('latin1');
    const base = /"base_asset":(\d+)/.exec(text)?.[1] ?? '0';
    return withData(frames, text.replace(/("quote_asset":)\d+/, `$1${base}`));
  },
  sameUser: (frames) => {
    const text = dataOf(frames).toString('latin1');
    const buyer = /"buyer_user_id":(\d+)/.exec(text)?.[1] ?? '0';
    return withData(frames, text.replace(/("seller_user_id":)\d+/, `$1${buyer}`));
  },
  zeroAmount: (frames, random) =>
    withData(
      frames,
      dataOf(frames)
        .toString('latin1')
        .replace(pick(random, [/("price":)\d+/, /("quantity":)\d+/, /("amount":)\d+/]), '$10'),
    ),
  hugeAmount: (frames, random) =>
    withData(
      frames,
      dataOf(frames)
        .toString('latin1')
        .replace(
          pick(random, [/("price":)\d+/, /("quantity":)\d+/, /("buyer_refund":)\d+/]),
          '$19223372036854775807',
        ),
    ),
  lastVersion: (frames) =>
    withData(
      frames,
      dataOf(frames)
        .toString('latin1')
        .replace(/(version":)\d+/, '$19223372036854775807'),
    ),
  dropField: (frames, random) => {
    const text = editField(frames, random, () => '"dropped":0')[1]?.toString('latin1') ?? '';
    return withData(frames, Buffer.from(text.replace(/"dropped":0,?/, '').replace(/,}$/, '}'), 'latin1'));
  },
  repeatField: (frames, random) =>
    editField(frames, random, (name, value) => `"${name}":${value},"${name}":${value}`),
  repeatFieldOther: (frames, random) =>
    editField(
      frames,
      random,
      (name, value) => `"${name}":${value},"${name}":${pick(random, NUMBERS.slice(0, 13))}`,
    ),
  renameField: (frames, random) =>
    editField(frames, random, (_name, value) => `"${pick(random, NAMES)}":${value}`),
  escapeName: (frames, random) =>
    editField(frames, random, (name, value) => {
      const code = name.charCodeAt(0).toString(16).padStart(4, '0');
      return `"\\u${code}${name.slice(1)}":${value}`;
    }),
  addField: (frames, random) =>
    insertText(
      frames,
      random,
      `"${pick(random, NAMES)}":${pick(random, random.chance(512) ? NUMBERS : VALUES)},`,
    ),
  nest: (frames, random) =>
    insertText(
      frames,
      random,
      `"x":${random.chance(512) ? nested(random.below(80)) : '['.repeat(random.below(9_000))},`,
    ),
  nestObjects: (frames, random) => {
    const depth = random.below(80);
    return insertText(frames, random, `"x":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)},`);
  },
  whiteSpace: (frames, random) =>
    insertText(frames, random, pick(random, [' ', '\n\t', '\r\n', '\u00a0', '\u0000'])),
  brokenUtf8: (frames, random) => {
    const data = dataOf(frames);
    const at = random.below(data.length + 1);
    return withData(
      frames,
      Buffer.concat([data.subarray(0, at), pick(random, BROKEN_UTF8), data.subarray(at)]),
    );
  },
  otherText: (frames, random) => withData(frames, pick(random, TEXTS)),
  emptyData: (frames) => withData(frames, Buffer.alloc(0)),
  large: (frames, random) => {
    const size = MESSAGE_BYTES_MAX - 300 + random.below(900);
    return insertText(frames, random, `"pad":"${'x'.repeat(size - Math.min(size, dataOf(frames).length))}",`);
  },
  topic: (frames, random) => [Buffer.from(pick(random, TOPICS)), ...frames.slice(1)],
  topicBits: (frames, random) => {
    const topic = Buffer.from(frames[0] ?? Buffer.alloc(0));
    if (topic.length > 0) topic[random.below(topic.length)]! ^= 1 << random.below(8);
    return [topic, ...frames.slice(1)];
  },
  dropFrame: (frames, random) => frames.toSpliced(random.below(frames.length), 1),
  addFrame: (frames, random, other) =>
    frames.toSpliced(random.below(frames.length + 1), 0, pick(random, other)),
  swapFrames: (frames) => frames.toReversed(),
  manyFrames: (frames, random) => Array.from({ length: random.below(40) + 1 }, () => pick(random, frames)),
};

const NAMES_OF_MUTATIONS = Object.keys(MUTATIONS);
/** One message in so many is beyond what the transport takes. */
const ENORMOUS_ONE_IN = 50_000;

/**
 * One to three mutations of a message. A message has at least one frame, as on the wire.
 *
 * @param struck counts each mutation by its name
 */
export function mutated(
  frames: Frames,
  random: Random,
  other: Frames,
  struck: Record<string, number>,
): Frames {
  let result = frames;
  for (let count = random.chance(700) ? 1 : 1 + random.below(3); count > 0; count -= 1) {
    const name = pick(random, NAMES_OF_MUTATIONS);
    struck[name] = (struck[name] ?? 0) + 1;
    const next = MUTATIONS[name]!(result, random, other);
    if (next.length > 0) result = next;
  }
  return result;
}

/** Now and then a message above what the transport takes, which only the decoder can be given. */
export function enormous(frames: Frames, random: Random): Frames | undefined {
  if (random.below(ENORMOUS_ONE_IN) !== 0) return undefined;
  return withData(frames, Buffer.alloc(TRANSPORT_BYTES_MAX + 1 + random.below(1_000), 0x5b));
}
