/**
 * The scene of a run: servers, the links through proxies, and our processes under supervision, each of which sees the
 * others only through its links.
 */
import { cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ledgerOptions } from '../../src/cli/ledger-options.ts';
import { loadConfig, replicationCql, type Config } from '../../src/config/index.ts';
import type { IngestProgress } from '../../src/ingest/progress.ts';
import { newCurveKeys, writeCurveKeys } from '../../src/curve/index.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { Outbox } from '../../src/publisher/outbox.ts';
import { pickFreePort } from '../../src/stack/ports.ts';
import type { Progress } from '../../src/stack/index.ts';
import type { Link } from './links.ts';
import { FAULT_NAMES } from './plan.ts';
import { TcpProxy, type Address } from './proxy.ts';
import { startServers, type Servers } from './servers.ts';
import { Supervised, type Said } from './supervised.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';
import { makeCertificate, TlsEnd, type Certificate } from './tls-end.ts';
import { WatermarkWatch } from './watching.ts';

/** The name of the stream, the keyspace and the task queue. */
export const STREAM = 'chaos';
const LOOPBACK = '127.0.0.1';
const READY_MS_MAX = 90_000;
/** Room for what is in flight and what is settled within the last grace period. */
const OUTBOX_DISK_MIB = 512;
const OUTBOX_EVENTS_MAX = 8_000;
const PORT_TRIES_MAX = 20;
/** As an engine has it by default: nothing that it keeps is trimmed by who looks into its outbox. */
const OUTBOX_GRACE_MS = 3_600_000;

/** How to set it. */
export interface SceneOptions {
  /** Folder of logs and of what the run writes. */
  readonly folder: string;
  readonly seed: number;
  readonly nodes: 1 | 3;
  readonly workers: 1 | 2;
  /** Flags of `settled simulate` that say what is sent. */
  readonly simulateArgs: readonly string[];
  /** False: the outbox lies on the machine's own disk. @default a disk of its own, where that is permitted */
  readonly smallDisk?: boolean;
  /** Events that the outbox takes. @default so few that the engine is in the middle of its stream until the end */
  readonly outboxEventsMax?: number;
  /** More of the configuration, for all processes. */
  readonly env?: NodeJS.ProcessEnv;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Everything of a run that runs. */
export class Scene {
  readonly options: SceneOptions;
  readonly servers: Servers;
  readonly proxies = new Map<Link, readonly TcpProxy[]>();
  /** Past every proxy: for migrating, watching and verifying. */
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  readonly watch: WatermarkWatch;
  readonly workers: Supervised[] = [];
  engine!: Supervised;
  ingest!: Supervised;
  /** Under the engine's outbox. */
  disk: SmallDisk | undefined;
  /** What the ingest said last, and when. */
  progress: { readonly said: IngestProgress; readonly atMs: number } | undefined;
  readonly rssMiB = { ingest: 0, worker: 0 };
  readonly #certificate: Certificate;
  readonly #ends: TlsEnd[] = [];
  #simulateArgs: readonly string[];
  #readyWorkers = 0;

  private constructor(
    options: SceneOptions,
    servers: Servers,
    env: NodeJS.ProcessEnv,
    certificate: Certificate,
    config: Config,
  ) {
    this.options = options;
    this.#simulateArgs = options.simulateArgs;
    this.servers = servers;
    this.env = env;
    this.config = config;
    this.#certificate = certificate;
    this.watch = new WatermarkWatch(ledgerOptions(config), STREAM);
  }

  /** Starts all. @throws if a part of it can't be started; what had been is then stopped */
  static async set(options: SceneOptions): Promise<Scene> {
    const logs = join(options.folder, 'logs');
    mkdirSync(logs, { recursive: true });
    // A node that acknowledges what a kill makes it lose can't be part of a proof that nothing is lost.
    const durable = { SETTLED_STACK_CASSANDRA_COMMITLOG_SYNC: 'batch' };
    const base = loadConfig({ ...durable, ...process.env, ...options.env });
    const servers = await startServers(base, options);
    let scene: Scene | undefined;
    try {
      const env = environment(options, servers);
      const config = loadConfig(env);
      const hosts = [LOOPBACK, ...servers.cassandra.map(({ address }) => address.host)];
      const certificate = await makeCertificate(options.folder, [...new Set(hosts)]);
      await migrate(ledgerOptions(config), replicationCql(config.cassandra.replication));
      scene = new Scene(options, servers, env, certificate, config);
      await scene.#link();
      await scene.#startOurs(logs);
      return scene;
    } catch (error) {
      await (scene ? scene.end() : servers.stop());
      throw error;
    }
  }

  /** Of the faults asked for, those that this machine permits. */
  possible(asked: readonly string[] = FAULT_NAMES): string[] {
    return asked.filter((name) => name !== 'full-disk' || this.disk !== undefined);
  }

  /** Kills the engine. Resolves with the last number that it has published. */
  async killEngine(): Promise<bigint> {
    await this.engine.kill();
    const outbox = await Outbox.open({
      folder: this.#outbox,
      stream: STREAM,
      graceMs: OUTBOX_GRACE_MS,
    });
    const { last } = outbox;
    await outbox.close();
    return last;
  }

  /** Starts the engine with other flags that say what is sent: the same stream, as far as it was published. */
  startEngine(simulateArgs: readonly string[]): void {
    this.#simulateArgs = simulateArgs;
    this.engine.start();
  }

  /** Stops all and removes the servers' data, but for their logs. */
  async end(): Promise<void> {
    const ours = [this.engine, this.ingest, ...this.workers].filter((one) => one !== undefined);
    await Promise.all(ours.map((one) => one.end()));
    await this.watch.close();
    for (const proxy of [...this.proxies.values()].flat()) await proxy.close();
    for (const end of this.#ends) await end.close();
    for (const server of [this.servers.temporal, ...this.servers.cassandra]) server.resume();
    await this.disk?.unmount();
    for (const [index, from] of this.servers.logFolders.entries())
      cpSync(from, join(this.options.folder, 'logs', `servers-${index}`), { recursive: true });
    await this.servers.stop();
  }

  get #outbox(): string {
    return join(this.options.folder, 'outbox', STREAM);
  }

  async #link(): Promise<void> {
    const { temporal, cassandra } = this.servers;
    const temporalEnd = await this.#secured(temporal.address);
    const cassandraEnds = await Promise.all(cassandra.map(({ address }) => this.#secured(address)));
    for (const who of ['ingest', 'worker'] as const) {
      await this.#open(`${who}-temporal`, [LOOPBACK], [temporalEnd]);
      await this.#open(
        `${who}-cassandra`,
        cassandra.map(({ address }) => address.host),
        cassandraEnds,
      );
    }
  }

  async #secured(target: Address): Promise<Address> {
    const end = await TlsEnd.open(this.#certificate, target);
    this.#ends.push(end);
    return end.address;
  }

  /** Opens a link's proxies: one for each host, on one port, as a driver expects it of a cluster. */
  async #open(link: Link, hosts: readonly string[], targets: readonly Address[]): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const port = await pickFreePort();
      const opened: TcpProxy[] = [];
      try {
        for (const [index, host] of hosts.entries())
          opened.push(
            await TcpProxy.open({
              listen: { host, port },
              target: targets[index]!,
              seed: this.options.seed + index,
            }),
          );
        this.proxies.set(link, opened);
        return;
      } catch (error) {
        for (const proxy of opened) await proxy.close();
        if (tries >= PORT_TRIES_MAX) throw error;
      }
    }
  }

  /** The environment of a process that sees the servers through its own links. */
  #through(who: 'ingest' | 'worker'): NodeJS.ProcessEnv {
    const temporal = this.proxies.get(`${who}-temporal`)![0]!.address;
    const cassandra = this.proxies.get(`${who}-cassandra`)!.map(({ address }) => address);
    const { caPath } = this.#certificate;
    return {
      ...this.env,
      SETTLED_TEMPORAL_ADDRESS: `${temporal.host}:${temporal.port}`,
      SETTLED_TEMPORAL_TLS_CA_PATH: caPath,
      SETTLED_CASSANDRA_CONTACT_POINTS: cassandra.map(({ host }) => host).join(','),
      SETTLED_CASSANDRA_PORT: `${cassandra[0]!.port}`,
      SETTLED_CASSANDRA_TLS_CA_PATH: caPath,
    };
  }

  async #startOurs(logs: string): Promise<void> {
    const { workers, signal } = this.options;
    const run = (
      name: string,
      args: () => string[],
      env: NodeJS.ProcessEnv,
      more: object = {},
    ): Supervised => {
      const supervised = new Supervised({ name, args, env, logs, ...more });
      supervised.start();
      return supervised;
    };
    for (let number = 1; number <= workers; number += 1)
      this.workers.push(
        run(`worker-${number}`, () => ['worker'], this.#through('worker'), {
          onSaid: (said: Said) => this.#hear(said),
        }),
      );
    const port = await pickFreePort();
    const controlPort = await pickFreePort(new Set([port]));
    await this.#open('engine-ingest', [LOOPBACK], [{ host: LOOPBACK, port }]);
    await this.#open('control', [LOOPBACK], [{ host: LOOPBACK, port: controlPort }]);
    const [data, control] = (['engine-ingest', 'control'] as const).map((link) => {
      const { address } = this.proxies.get(link)![0]!;
      return `tcp://${address.host}:${address.port}`;
    });
    if (this.options.smallDisk !== false)
      this.disk = await mountSmallDisk(dirname(this.#outbox), OUTBOX_DISK_MIB);
    const keysOf = (name: string) => writeCurveKeys(join(this.options.folder, name), name, newCurveKeys());
    const keys = { engine: keysOf('engine'), ingest: keysOf('ingest') };
    this.engine = run(
      'engine',
      () => [
        'simulate',
        `--endpoint=tcp://${LOOPBACK}:${port}`,
        `--control=tcp://${LOOPBACK}:${controlPort}`,
        `--outbox=${this.#outbox}`,
        `--outbox-events-max=${this.options.outboxEventsMax ?? OUTBOX_EVENTS_MAX}`,
        `--curve-secret-key=${keys.engine.secretPath}`,
        `--curve-peer-keys=${keys.ingest.publicPath}`,
        '--wait-seconds=3600',
        '--json',
        ...this.#simulateArgs,
      ],
      this.env,
      { finishedBy: [0] },
    );
    await this.#until(() => this.#readyWorkers === workers, 'the workers to start', signal);
    this.ingest = run(
      'ingest',
      () => ['ingest', `--stream=${STREAM}`, `--endpoint=${data}`, `--control=${control}`],
      {
        ...this.#through('ingest'),
        SETTLED_INGEST_CURVE_SECRET_KEY_PATH: keys.ingest.secretPath,
        SETTLED_INGEST_CURVE_PEER_KEYS_PATH: keys.engine.publicPath,
      },
      {
        onSaid: (said: Said) => this.#hear(said, 'ingest'),
      },
    );
    await this.#until(() => this.progress !== undefined, 'the ingest to start', signal);
  }

  #hear(said: Said, who: 'ingest' | 'worker' = 'worker'): void {
    if (said.type === 'ready' && who === 'worker') this.#readyWorkers += 1;
    if (said.type === 'memory') this.rssMiB[who] = said['rssMiB'] as number;
    if (said.type === 'progress')
      this.progress = { said: said['progress'] as IngestProgress, atMs: performance.now() };
  }

  async #until(condition: () => boolean, what: string, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + READY_MS_MAX;
    while (!condition()) {
      signal.throwIfAborted();
      if (performance.now() > deadline)
        throw new Error(
          `waited ${READY_MS_MAX / 1000} s in vain for ${what}; logs are in ${this.options.folder}`,
        );
      await sleep(50);
    }
  }
}

function environment({ env, nodes }: SceneOptions, servers: Servers): NodeJS.ProcessEnv {
  const { temporal, cassandra } = servers;
  return {
    ...process.env,
    SETTLED_STREAM: STREAM,
    SETTLED_STREAM_KIND: 'numbered',
    SETTLED_PARTITIONS: '8',
    SETTLED_INSTRUMENTS: '[]',
    SETTLED_INGEST_BIND: 'false',
    SETTLED_INGEST_MAX_IN_FLIGHT_EVENTS: '3000',
    SETTLED_INGEST_CHUNK_EVENTS_MAX: '200',
    SETTLED_LOG_PRETTY: 'false',
    SETTLED_TEMPORAL_ADDRESS: `${temporal.address.host}:${temporal.address.port}`,
    SETTLED_TEMPORAL_TASK_QUEUE: STREAM,
    SETTLED_CASSANDRA_CONTACT_POINTS: cassandra.map(({ address }) => address.host).join(','),
    SETTLED_CASSANDRA_PORT: `${cassandra[0]!.address.port}`,
    SETTLED_CASSANDRA_KEYSPACE: STREAM,
    SETTLED_CASSANDRA_REPLICATION: `{"class":"NetworkTopologyStrategy","datacenter1":${nodes}}`,
    ...env,
  };
}
