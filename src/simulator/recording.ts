/**
 * Recorded streams: one line a message, `{"topic": first frame, "data": second frame}`, both verbatim. A recording is read
 * piece by piece, split at line feeds alone, so that the frames that come out are byte for byte those that were recorded.
 */

import { createReadStream } from 'node:fs';
import type { Frames } from '../publisher/push.ts';

/** No line may be longer: a frame of the transport's limit (1 MiB) whose every byte is escaped, and room. */
export const LINE_BYTES_MAX = 8 * 1024 * 1024;

const LINE_FEED = 0x0a;

/** A line is no recorded message. */
export class RecordingError extends Error {
  readonly file: string;
  readonly line: number;

  constructor(file: string, line: number, reason: string) {
    super(`${file}, line ${line}: ${reason}`);
    this.name = 'RecordingError';
    this.file = file;
    this.line = line;
  }
}

/** The line, without its line feed, that records these frames. */
export function recordingLine(frames: Frames): string {
  return `{"topic": ${JSON.stringify(frames[0].toString())}, "data": ${JSON.stringify(frames[1].toString())}}`;
}

/** A recorded message and the line, counted from 1, where it stands. */
export interface RecordedMessage {
  readonly line: number;
  readonly frames: Frames;
}

/** Reads a recording, message by message. Empty lines are passed over. Throws {@link RecordingError}. */
export async function* readRecording(file: string): AsyncGenerator<RecordedMessage, void, void> {
  let line = 0;
  for await (const bytes of lines(file)) {
    line++;
    if (bytes.length > LINE_BYTES_MAX)
      throw new RecordingError(file, line, `longer than ${LINE_BYTES_MAX} bytes`);
    const text = bytes.toString();
    if (text.trim() !== '') yield { line, frames: framesOf(text, file, line) };
  }
}

async function* lines(file: string): AsyncGenerator<Buffer, void, void> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      const piece = chunk.subarray(start, end);
      yield rest.length === 0 ? piece : Buffer.concat([...rest, piece]);
      rest = [];
      restBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      rest.push(chunk.subarray(start));
      restBytes += chunk.length - start;
    }
    // Handed on too long, for the reader to refuse by line number.
    if (restBytes > LINE_BYTES_MAX) break;
  }
  if (restBytes > 0) yield Buffer.concat(rest);
}

function framesOf(text: string, file: string, line: number): Frames {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RecordingError(file, line, `not JSON (${(error as Error).message})`);
  }
  if (typeof value !== 'object' || value === null) throw new RecordingError(file, line, 'not a JSON object');
  return [frameOf('topic', value, file, line), frameOf('data', value, file, line)];
}

function frameOf(name: 'topic' | 'data', value: object, file: string, line: number): Buffer {
  const text = (value as Partial<Record<string, unknown>>)[name];
  if (typeof text !== 'string') throw new RecordingError(file, line, `"${name}" is not a text`);
  if (/\p{Surrogate}/u.test(text))
    throw new RecordingError(file, line, `"${name}" is not well-formed Unicode`);
  return Buffer.from(text);
}
