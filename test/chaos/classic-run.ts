/** One classic stream whose ingest is killed and started again, in a keyspace of its own, and how that ended. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../src/cli/demo/child.ts';
import { ledgerOptions } from '../../src/cli/ledger-options.ts';
import { loadConfig, replicationCql } from '../../src/config/index.ts';
import type { IngestEnding, IngestProgress } from '../../src/ingest/progress.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { pickFreePort } from '../../src/stack/ports.ts';
import type { ClassicEnding } from './classic-outcome.ts';
import type { Servers } from './servers.ts';

/** A recorded stream. */
export interface Recording {
  readonly path: string;
  readonly oracle: string;
  readonly messages: number;
}

/** What to run. */
export interface ClassicRun {
  /** Of stream, task queue and, with underscores, keyspace. */
  readonly name: string;
  readonly logs: string;
  readonly recording: Recording;
  readonly servers: Servers;
  /** The ingest is killed about this share of the way: 0 … 1. */
  readonly share: number;
}

/** The engine takes so long for its stream, s. */
const STREAM_S = 4;
const END_MS_MAX = 120_000;
/** So long without news the stream counts as at its end, ms. */
const QUIET_MS = 3_000;

/** Runs it to its end. `killedAt`: messages that the first ingest had received when last heard of. */
export async function killedInTheMiddle(
  run: ClassicRun,
): Promise<ClassicEnding & { readonly killedAt: number }> {
  const { recording, share, logs } = run;
  const env = environment(run);
  const config = loadConfig(env);
  await migrate(ledgerOptions(config), replicationCql(config.cassandra.replication));
  const children: Child[] = [];
  let isReady = false;
  const start = (log: string, args: readonly string[], onMessage: (message: Message) => void): Child => {
    const child = new Child({
      args,
      env,
      logPath: join(logs, `${log}.log`),
      onMessage: (message) => onMessage(message as Message),
    });
    children.push(child);
    return child;
  };
  try {
    start('worker', ['worker'], ({ type }) => (isReady ||= type === 'ready'));
    const endpoint = `tcp://127.0.0.1:${await pickFreePort()}`;
    const rate = Math.ceil(recording.messages / STREAM_S);
    const engine = start(
      'engine',
      [
        'simulate',
        '--from',
        recording.path,
        '--no-outbox',
        '--rate',
        `${rate}`,
        '--endpoint',
        endpoint,
        '--wait-seconds',
        '60',
      ],
      () => undefined,
    );
    await until(() => isReady, 'the worker to start');
    let heard: IngestProgress | undefined;
    let heardMs = performance.now();
    let ending: IngestEnding | undefined;
    const ingest = (log: string): Child =>
      start(log, ['ingest', '--classic', '--endpoint', endpoint], (message) => {
        if (message.type === 'ended') ending = message.ending;
        if (message.type !== 'progress') return;
        const { progress } = message;
        if (progress.messages !== heard?.messages || progress.watermark !== heard.watermark)
          heardMs = performance.now();
        heard = progress;
      });
    const first = ingest('ingest-1');
    await until(() => (heard?.messages ?? 0) > 0, 'the first message');
    await sleep(share * STREAM_S * 1000);
    first.kill();
    await first.ended;
    const killedAt = heard?.messages ?? 0;
    heard = undefined;
    const second = ingest('ingest-2');
    const isAtRest = (): boolean =>
      !second.isRunning ||
      (heard !== undefined &&
        !engine.isRunning &&
        heard.inFlight === 0 &&
        performance.now() - heardMs > QUIET_MS);
    await until(isAtRest, 'the second ingest to come to rest');
    const { code } = await second.stop();
    const stop = ending?.stop;
    return {
      killedAt,
      code,
      ...(stop === undefined ? {} : { stop }),
      said: readFileSync(second.logPath, 'utf8').slice(-2_000),
      findings: await findings(run, env),
    };
  } finally {
    for (const child of children) child.kill();
    await Promise.all(children.map((child) => child.ended));
  }
}

type Message =
  | { readonly type: 'ready' }
  | { readonly type: 'progress'; readonly progress: IngestProgress }
  | { readonly type: 'ended'; readonly ending: IngestEnding };

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + END_MS_MAX;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${END_MS_MAX / 1000} s in vain for ${what}`);
    await sleep(25);
  }
}

function environment({ name, servers }: ClassicRun): NodeJS.ProcessEnv {
  const { temporal, cassandra } = servers;
  return {
    ...process.env,
    SETTLED_STREAM: name,
    SETTLED_STREAM_KIND: 'classic',
    SETTLED_PARTITIONS: '4',
    SETTLED_INSTRUMENTS: '[]',
    SETTLED_INGEST_BIND: 'false',
    SETTLED_LOG_PRETTY: 'false',
    SETTLED_TEMPORAL_ADDRESS: `${temporal.address.host}:${temporal.address.port}`,
    SETTLED_TEMPORAL_TASK_QUEUE: name,
    SETTLED_CASSANDRA_CONTACT_POINTS: cassandra.map(({ address }) => address.host).join(','),
    SETTLED_CASSANDRA_PORT: `${cassandra[0]!.address.port}`,
    SETTLED_CASSANDRA_KEYSPACE: name.replaceAll('-', '_'),
  };
}

/** What `settled verify --oracle` finds, by kind. */
async function findings({ name, recording, logs }: ClassicRun, env: NodeJS.ProcessEnv): Promise<string[]> {
  const child = new Child({
    args: ['verify', '--stream', name, '--oracle', recording.oracle, '--json'],
    env,
    logPath: join(logs, 'verify.log'),
  });
  const { code, stdout } = await child.ended;
  if (stdout.trim() === '') throw new Error(`settled verify ended with exit code ${code}:\n${child.logTail}`);
  return (JSON.parse(stdout) as { findings: { kind: string }[] }).findings.map(({ kind }) => kind);
}
