/**
 * Records the histories that the replay test holds the workflow to (I9): each shape of test/workflows/shapes.ts, made on
 * the server at SETTLED_TEST_TEMPORAL, without what is this machine's alone. Existing files are kept, since they are
 * what older code has produced; name shapes as arguments to record those anew.
 */
import proto from '@temporalio/proto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { record, SHAPES } from '../test/workflows/shapes.ts';
import type { Recorded } from '../test/workflows/shapes.ts';

const folder = fileURLToPath(new URL('../test/histories/', import.meta.url));

/** "4711@host", "4711@host-…": a worker's identity, and the sticky queue that is named after it. */
const IDENTITY = /^\d+@.*$/;

/** A value of a history without stack traces, which name paths, and with one identity for all. */
function scrubbed(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(IDENTITY, 'recorder');
  if (Array.isArray(value)) return value.map(scrubbed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'stackTrace')
      .map(([key, inner]) => [key, scrubbed(inner)]),
  );
}

function write({ name, workflowId, history }: Recorded): void {
  const { History } = proto.temporal.api.history.v1;
  const plain = History.toObject(History.fromObject(history), {
    longs: String,
    enums: String,
    bytes: String,
  });
  const text = `${JSON.stringify({ workflowId, history: scrubbed(plain) }, null, 1)}\n`;
  for (const own of [process.cwd(), `@${hostname()}`, `/${userInfo().username}/`])
    if (text.includes(own)) throw new Error(`the history "${name}" still names ${own}`);
  writeFileSync(join(folder, `${name}.json`), text);
  console.log(`${name}: ${history.events?.length ?? 0} events`);
}

if (process.env['SETTLED_TEST_TEMPORAL'] === undefined)
  throw new Error('set SETTLED_TEST_TEMPORAL to the host:port of a Temporal server');

const named = process.argv.slice(2);
const isRecorded = (shape: string): boolean =>
  existsSync(join(folder, `${shape}.json`)) || existsSync(join(folder, `${shape}.1.json`));
const shapes = named.length > 0 ? named : Object.keys(SHAPES).filter((shape) => !isRecorded(shape));

mkdirSync(folder, { recursive: true });
for (const shape of shapes) for (const recorded of await record(shape)) write(recorded);
// The connections of the shapes would keep the process alive.
process.exit(0);
