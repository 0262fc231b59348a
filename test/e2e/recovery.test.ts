/**
 * Real processes that are killed in the middle of a stream and started again, as any supervisor would: everything is
 * settled in the end, once, and leads to the engine's books.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Child } from '../../src/cli/demo/child.ts';
import type { IngestProgress } from '../../src/ingest/ingest.ts';
import { Rig, until } from '../ingest/rig.ts';

const SETTLED_MS_MAX = 120_000;
/** At this rate it outlasts three starts, however slow: a new start settles at once what has waited for it. */
const STREAM_ARGS = '--scenario random --users 60 --trades 4000 --seed 31 --rate 150'.split(' ');

let rig: Rig;
let folder = '';
let stream = '';
const children: Child[] = [];
let started = 0;

beforeAll(async () => {
  rig = await Rig.start();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'settled-recovery-'));
  stream = rig.stream();
});
afterEach(async () => {
  for (const child of children) child.kill();
  await Promise.all(children.splice(0).map((child) => child.ended));
  await rig.clear();
  rmSync(folder, { recursive: true, force: true });
});
afterAll(() => rig.stop());

type Told = { readonly type: string } & Readonly<Record<string, unknown>>;

function start(args: readonly string[], onMessage: (told: Told) => void = () => undefined): Child {
  started += 1;
  const child = new Child({
    args,
    // A killed ingest's lease runs out before the next one may feed the stream: soon.
    env: { ...rig.env(stream), SETTLED_INGEST_LEASE_MS: '2000' },
    logPath: join(folder, `${args[0]}-${started}.log`),
    onMessage,
  });
  children.push(child);
  return child;
}

/** What the parts of a stream tell. */
class Pipeline {
  engine!: Child;
  ingest!: Child;
  endpoint = 'tcp://127.0.0.1:*';
  control = 'tcp://127.0.0.1:*';
  progress: IngestProgress | undefined;
  #isListening = false;

  get watermark(): number {
    return Number(this.progress?.watermark ?? 0);
  }

  async startEngine(): Promise<void> {
    this.#isListening = false;
    this.engine = start(
      ['simulate', '--stream', stream, '--outbox', join(folder, 'outbox')].concat(
        ['--endpoint', this.endpoint, '--control', this.control],
        ['--oracle-file', join(folder, 'oracle.json'), '--wait-seconds', '60', '--json'],
        STREAM_ARGS,
      ),
      (told) => {
        if (told.type !== 'listening') return;
        this.endpoint = told['endpoint'] as string;
        this.control = told['controlEndpoint'] as string;
        this.#isListening = true;
      },
    );
    await until('the engine listens', () => this.#isListening);
  }

  startIngest(): void {
    const args = ['ingest', '--endpoint', this.endpoint, '--control', this.control, '--json'];
    this.ingest = start(args, (told) => {
      if (told.type === 'progress') this.progress = told['progress'] as IngestProgress;
    });
  }

  /** Some events, so that others are under way. */
  async untilMore(): Promise<void> {
    const from = this.watermark;
    await until('more is settled', () => this.watermark > from + 100);
  }

  /** The engine ends when all is settled. */
  async untilSettled(): Promise<Record<string, unknown>> {
    const timer = setTimeout(() => {
      this.engine.kill();
    }, SETTLED_MS_MAX);
    const { code, stdout } = await this.engine.ended;
    clearTimeout(timer);
    if (code !== 0)
      throw new Error(`the engine ended with ${code}: ${this.engine.logTail}\n${this.ingest.logTail}`);
    return JSON.parse(stdout) as Record<string, unknown>;
  }
}

async function verified(): Promise<unknown> {
  const verify = start(['verify', '--json', '--oracle', join(folder, 'oracle.json')]);
  const { code, stdout } = await verify.ended;
  return { code, report: JSON.parse(stdout) as unknown };
}

describe('in the middle of a stream, kill -9 and a new start', () => {
  test('of the ingest, three times, lose nothing', async () => {
    start(['worker']);
    const pipeline = new Pipeline();
    await pipeline.startEngine();
    for (let kills = 0; kills < 3; kills += 1) {
      pipeline.startIngest();
      await pipeline.untilMore();
      pipeline.ingest.kill();
      expect(await pipeline.ingest.ended).toMatchObject({ signal: 'SIGKILL' });
      expect(pipeline.engine.isRunning).toBe(true);
    }
    pipeline.startIngest();
    const sent = await pipeline.untilSettled();
    expect(sent).toMatchObject({ delivered: true, settledUpTo: sent['lastSequence'] });
    expect(sent['resumes']).toBeGreaterThanOrEqual(4);
    expect(await verified()).toMatchObject({ code: 0, report: { ok: true, findings: [] } });
    expect((await pipeline.ingest.stop()).code, pipeline.ingest.logTail).toBe(0);
  }, 240_000);

  test('of the engine, three times, lose nothing and number nothing twice', async () => {
    start(['worker']);
    const pipeline = new Pipeline();
    await pipeline.startEngine();
    pipeline.startIngest();
    for (let kills = 0; kills < 3; kills += 1) {
      await pipeline.untilMore();
      pipeline.engine.kill();
      expect(await pipeline.engine.ended).toMatchObject({ signal: 'SIGKILL' });
      await pipeline.startEngine();
    }
    const sent = await pipeline.untilSettled();
    expect(sent).toMatchObject({ delivered: true, settledUpTo: sent['lastSequence'] });
    // It went on with its outbox.
    expect(sent['again']).toBeGreaterThan(300);
    expect(pipeline.ingest.isRunning).toBe(true);
    expect(await verified()).toMatchObject({ code: 0, report: { ok: true, findings: [] } });
    const { code, stdout } = await pipeline.ingest.stop();
    expect(code, pipeline.ingest.logTail).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'closed', unsettled: 0, progress: { rejected: {} } });
  }, 240_000);
});
