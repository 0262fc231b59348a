/**
 * Control messages between an ingest and its engine, on a socket of their own: one frame, one small JSON object. The ingest
 * asks for the stream again (`resume`) and says what is settled for good (`settled`, I7); the engine answers with the
 * messages themselves, on the PUSH socket, or with `unavailable`, and an ingest that was replaced with `old-lease`. docs/wire.md has the same for engines' authors.
 */
import { INT64_MAX } from '../domain/integers.ts';
import { describeValue, readBody } from './body.ts';
import { quoted, type Fault } from './reasons.ts';

/** A control message above so many bytes is refused by the transport. */
export const CONTROL_BYTES_MAX = 4 * 1024;

/** Asks the engine to send from a sequence on. Sent by the ingest. */
export interface ResumeMessage {
  readonly type: 'resume';
  readonly stream: string;
  /** 1 … 2⁶³ − 1. */
  readonly from: bigint;
  /** Fencing number of the ingest: whoever has seen a higher one ignores the message. */
  readonly lease: bigint;
}

/** Everything up to a sequence is settled, and that is persisted: it need not be kept. Sent by the ingest. */
export interface SettledMessage {
  readonly type: 'settled';
  readonly stream: string;
  /** 0 … 2⁶³ − 1. */
  readonly upTo: bigint;
  readonly lease: bigint;
}

/** What a `resume` asked for is not there any more; the oldest that is has this sequence. Sent by the engine. */
export interface UnavailableMessage {
  readonly type: 'unavailable';
  readonly oldest: bigint;
}

/** What was said was ignored, since a higher lease was heard of: this is the highest. Sent by the engine. */
export interface OldLeaseMessage {
  readonly type: 'old-lease';
  readonly lease: bigint;
}

/** What an engine answers. */
export type ControlAnswer = UnavailableMessage | OldLeaseMessage;

/** Any of them. */
export type ControlMessage = ResumeMessage | SettledMessage | ControlAnswer;

/** What a frame turned out to be. A `type` that nobody knows yet is no fault: it is to be passed over. */
export type DecodedControl =
  | { readonly kind: 'message'; readonly message: ControlMessage }
  | { readonly kind: 'unknown'; readonly type: string }
  | { readonly kind: 'fault'; readonly faults: readonly string[] };

/** Names of streams, as the configuration has them. */
const STREAM = /^[a-z0-9-]{1,40}$/;

/** The bytes of a control message: fields in the order in which the types above name them, no white space. */
export function encodeControl(message: ControlMessage): Buffer {
  const fields = Object.entries(message).map(([name, value]) =>
    typeof value === 'bigint' ? `"${name}":${value}` : `"${name}":${JSON.stringify(value)}`,
  );
  return Buffer.from(`{${fields.join(',')}}`);
}

/** Reads a control message. Total: no input makes it throw. Unknown fields are passed over. */
export function decodeControl(frames: readonly Buffer[]): DecodedControl {
  const [data] = frames;
  if (frames.length !== 1 || data === undefined) return fault(`${frames.length} frames, not 1`);
  if (data.length > CONTROL_BYTES_MAX) return fault(`${data.length} bytes, at most ${CONTROL_BYTES_MAX}`);
  const faults: Fault[] = [];
  const body = readBody(data, [], faults);
  if (body === undefined || faults.length > 0) return fault(...faults.map(({ text }) => text));
  const found: string[] = [];
  const { type, stream } = body.fields;
  const integer = (name: string, min: bigint): bigint => {
    const value = body.fields[name];
    if (typeof value === 'bigint' && value >= min) return value;
    found.push(
      value === undefined
        ? `${name} is missing`
        : `${name} is ${describeValue(value)}, no integer of ${min} … ${INT64_MAX}`,
    );
    return 0n;
  };
  const named = (): string => {
    if (typeof stream === 'string' && STREAM.test(stream)) return stream;
    found.push(stream === undefined ? 'stream is missing' : `stream is ${describeValue(stream)}`);
    return '';
  };
  let message: ControlMessage;
  if (type === 'resume')
    message = { type, stream: named(), from: integer('from', 1n), lease: integer('lease', 1n) };
  else if (type === 'settled')
    message = { type, stream: named(), upTo: integer('upTo', 0n), lease: integer('lease', 1n) };
  else if (type === 'unavailable') message = { type, oldest: integer('oldest', 1n) };
  else if (type === 'old-lease') message = { type, lease: integer('lease', 1n) };
  else if (typeof type === 'string') return { kind: 'unknown', type: quoted(type) };
  else return fault(type === undefined ? 'type is missing' : `type is ${describeValue(type)}`);
  return found.length > 0 ? fault(...found) : { kind: 'message', message };
}

function fault(...faults: string[]): DecodedControl {
  return { kind: 'fault', faults };
}
