/**
 * The wire as an engine in another language implements it: the example in Python feeds the real ingest, which ends in
 * the middle with events in flight, and the engine is killed; everything is settled in the end, and each asked for what it needed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Rig, until } from '../ingest/rig.ts';
import { python } from '../support/python.ts';

const ENGINE = fileURLToPath(new URL('../../examples/python-engine/engine.py', import.meta.url));
const EVENTS = 3_000;
const STOP_MS = 100_000;

const found = await python();
if ('missing' in found)
  process.stderr.write(`\nNOT TESTED: the engine in Python. There is no ${found.missing}\n\n`);

let rig: Rig;
let folder = '';
const engines: Engine[] = [];

/** The example, running. */
class Engine {
  readonly lines: Record<string, unknown>[] = [];
  stderr = '';
  readonly process: ChildProcess;
  readonly ended: Promise<unknown>;

  constructor(program: string, args: readonly string[]) {
    this.process = spawn(program, [ENGINE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    createInterface({ input: this.process.stdout! }).on('line', (line) =>
      this.lines.push(JSON.parse(line) as Record<string, unknown>),
    );
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = once(this.process, 'close');
    engines.push(this);
  }

  async listening(): Promise<{ endpoint: string; controlEndpoint: string; last: number }> {
    await until(`the engine listens ${this.stderr}`, () => this.lines.length > 0);
    const [{ endpoint, control, last } = {}] = this.lines;
    return { endpoint: String(endpoint), controlEndpoint: String(control), last: Number(last) };
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }
}

beforeAll(async () => {
  rig = await Rig.start();
  await rig.startWorker();
  folder = mkdtempSync(join(tmpdir(), 'settled-python-'));
});
afterEach(async () => {
  for (const engine of engines.splice(0)) {
    engine.kill();
    await engine.ended;
  }
  await rig.clear();
});
afterAll(async () => {
  await rig.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf('missing' in found)('an engine in Python', () => {
  test('is asked to send again by an ingest that starts again, and by one whose engine did', async () => {
    const program = 'program' in found ? found.program : '';
    const stream = rig.stream();
    const args = (endpoint: string, control: string): string[] => [
      '--stream',
      stream,
      '--outbox',
      join(folder, 'outbox.db'),
      '--events',
      `${EVENTS}`,
      '--endpoint',
      endpoint,
      '--control',
      control,
    ];
    const before = new Engine(program, args('tcp://127.0.0.1:*', 'tcp://127.0.0.1:*'));
    const { endpoint, controlEndpoint, last } = await before.listening();
    expect(last).toBe(0);
    const from = { stream, endpoint, controlEndpoint, maxInFlightEvents: 200, receiveHighWaterMark: 50 };

    // An ingest that ends with events in flight, and with more in its socket's buffer.
    const first = await rig.ingest({ ...from, drainMsMax: 0 });
    await until('a part is settled', () => Number(first.ingest.progress.watermark) >= 300);
    const { unsettled } = await first.close();
    expect(unsettled).toBeGreaterThan(0);
    const second = await rig.ingest(from);
    await until('more is settled', () => Number(second.ingest.progress.watermark) >= 900);
    expect(second.ingest.progress.duplicates).toBeGreaterThan(0);

    // An engine that is killed, and goes on with its outbox.
    before.kill();
    await before.ended;
    const after = new Engine(program, args(endpoint, controlEndpoint));
    expect((await after.listening()).last).toBeGreaterThan(900);
    const timer = setTimeout(() => {
      after.kill();
    }, STOP_MS);
    await after.ended;
    clearTimeout(timer);
    expect(after.lines.at(-1), after.stderr).toMatchObject({ settledUpTo: EVENTS, last: EVENTS });
    expect(after.lines.at(-1)?.['resumes']).toBeGreaterThanOrEqual(1);
    expect(after.stderr).toBe('');
    expect((await second.close()).progress).toMatchObject({ rejected: {}, watermark: `${EVENTS}` });
    expect(await rig.audit(stream)).toMatchObject({ ok: true, findings: [], counts: { events: EVENTS } });
  }, 150_000);
});
