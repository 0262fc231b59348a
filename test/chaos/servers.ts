/**
 * The servers of a run, which are killed, stopped and started again where they were: the same ports, the same data.
 * Cassandra is one node, or a ring of three on loopback addresses of their own. All by the stack's own means.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, policies, types } from 'cassandra-driver';
import { readStackState, STACK_DATACENTER, STACK_HOST, type Config } from '../../src/config/index.ts';
import { cassandraFiles } from '../../src/stack/cassandra-files.ts';
import { cassandraServer, type RingPlace } from '../../src/stack/cassandra-server.ts';
import { homePaths, makeHome, type ServerName } from '../../src/stack/home.ts';
import { silentProgress, stackOptions, startStack, stopStack, type Progress } from '../../src/stack/index.ts';
import { pickFreePort } from '../../src/stack/ports.ts';
import { isRunning } from '../../src/stack/process-identity.ts';
import { ensureServer } from '../../src/stack/server-start.ts';
import { requireJava } from '../../src/stack/tools.ts';
import { startWatchdog, type Watchdog } from '../../src/stack/watching.ts';
import { conditionOf } from './condition.ts';
import type { Address } from './proxy.ts';

/** Addresses of a ring's nodes. */
const RING_HOSTS = ['127.0.1.1', '127.0.1.2', '127.0.1.3'];
const RING_HEAP_MIB = 640;
const RING_DELAY_MS = 2_000;
/** How long the nodes may take to see each other. */
const RING_MS_MAX = 60_000;
const GONE_MS_MAX = 10_000;

/** One server that can be hit. */
export class RunningServer {
  readonly address: Address;
  readonly #home: string;
  readonly #name: ServerName;
  readonly #start: () => Promise<unknown>;

  /** @param start starts it again in its home, and resolves when it answers */
  constructor(home: string, name: ServerName, address: Address, start: () => Promise<unknown>) {
    this.#home = home;
    this.#name = name;
    this.address = address;
    this.#start = start;
  }

  /** kill -9; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#signal('SIGKILL');
    const deadline = performance.now() + GONE_MS_MAX;
    for (;;) {
      const state = readStackState(this.#home)[this.#name];
      if (state === undefined || !isRunning(state)) return;
      if (performance.now() > deadline)
        throw new Error(`${this.#name} (process ${state.pid}) did not end when killed`);
      await sleep(20);
    }
  }

  pause(): void {
    this.#signal('SIGSTOP');
  }

  resume(): void {
    this.#signal('SIGCONT');
  }

  /** In words: whether it runs. */
  get state(): string {
    const state = readStackState(this.#home)[this.#name];
    return `${this.#name} at ${this.address.host}:${this.address.port}: ${conditionOf(state?.pid)}, ${state?.phase ?? 'not started'}`;
  }

  /** Starts it where it was; resolves when it answers. Links lead to where it was: elsewhere nothing would find it. */
  async start(): Promise<void> {
    await this.#start();
    const ports = Object.values(readStackState(this.#home)[this.#name]?.ports ?? {});
    if (!ports.includes(this.address.port))
      throw new Error(`${this.#name} is back on ports ${ports.join(' and ')}, not on ${this.address.port}`);
  }

  #signal(signal: NodeJS.Signals): void {
    const state = readStackState(this.#home)[this.#name];
    if (state !== undefined && isRunning(state)) process.kill(state.pid, signal);
  }
}

/** The servers of one run. */
export interface Servers {
  readonly temporal: RunningServer;
  /** One, or those of a ring. */
  readonly cassandra: readonly RunningServer[];
  /** Files in which the servers log. */
  readonly logFolders: readonly string[];
  /** Stops all and removes their data. */
  stop(): Promise<void>;
}

/** Starts them. What has been started is stopped if another can't be. */
export async function startServers(
  config: Config,
  { nodes, progress, signal }: { nodes: 1 | 3; progress: Progress; signal: AbortSignal },
): Promise<Servers> {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'settled-chaos-servers-'));
  const ring = nodes === 3 ? await Ring.start(config, folder, progress, signal) : undefined;
  try {
    const home = join(folder, 'stack');
    const base = stackOptions(config);
    const options = {
      ...base,
      settings: { ...config.stack, home, ports: 'free' as const },
      ...(ring ? { cassandra: ring.place } : {}),
      signal,
    };
    const { temporalAddress, cassandraPort } = await startStack({ ...options, progress, attached: 'wipe' });
    const again = (): Promise<unknown> => startStack({ ...options, progress: silentProgress });
    const [host = STACK_HOST, port] = temporalAddress.split(':');
    return {
      temporal: new RunningServer(home, 'temporal', { host, port: Number(port) }, again),
      cassandra: ring?.servers ?? [
        new RunningServer(home, 'cassandra', { host: STACK_HOST, port: cassandraPort }, again),
      ],
      logFolders: [homePaths(home).logs, ...(ring?.homes.map((one) => homePaths(one).logs) ?? [])],
      stop: async () => {
        await stopStack(home, { wipe: true });
        await ring?.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await ring?.stop();
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Waits until a node can reach all others: a read at ALL of a table that each of them has. */
async function untilAllAreUp(host: string, port: number, signal: AbortSignal): Promise<void> {
  const client = new Client({
    contactPoints: [host],
    localDataCenter: STACK_DATACENTER,
    protocolOptions: { port },
    policies: {
      loadBalancing: new policies.loadBalancing.AllowListPolicy(
        new policies.loadBalancing.RoundRobinPolicy(),
        [`${host}:${port}`],
      ),
    },
  });
  const deadline = performance.now() + RING_MS_MAX;
  try {
    for (;;) {
      try {
        await client.execute('SELECT * FROM system_distributed.repair_history LIMIT 1', [], {
          consistency: types.consistencies.all,
        });
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (performance.now() > deadline) throw error;
        await sleep(250);
      }
    }
  } finally {
    await client.shutdown();
  }
}

/** Three nodes, started one after another as a ring must be. */
class Ring {
  readonly servers: RunningServer[] = [];
  readonly homes: string[] = [];
  readonly place;
  readonly #watchdogs: Watchdog[] = [];

  private constructor(port: number) {
    this.place = { contactPoints: RING_HOSTS, port, datacenter: STACK_DATACENTER };
  }

  static async start(config: Config, folder: string, progress: Progress, signal: AbortSignal): Promise<Ring> {
    const port = await pickFreePort();
    const storagePort = await pickFreePort(new Set([port]));
    const ring = new Ring(port);
    try {
      for (const address of RING_HOSTS)
        await ring.#add(config, folder, address, storagePort, progress, signal);
      for (const address of RING_HOSTS) await untilAllAreUp(address, port, signal);
      return ring;
    } catch (error) {
      await ring.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    // At once, not drained: what they keep is removed anyway.
    for (const server of this.servers) await server.kill();
    for (const home of this.homes) await stopStack(home, { wipe: true });
    await Promise.all(this.#watchdogs.map((watchdog) => watchdog.dismiss()));
  }

  async #add(
    config: Config,
    folder: string,
    address: string,
    storagePort: number,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<void> {
    const home = join(folder, `node-${address}`);
    mkdirSync(home);
    makeHome(home);
    this.homes.push(home);
    this.#watchdogs.push(startWatchdog(home, 'wipe'));
    const env = process.env;
    const settings = {
      ...config.stack,
      home,
      cassandraPort: this.place.port,
      cassandraStoragePort: storagePort,
      cassandraHeapMiB: RING_HEAP_MIB,
    };
    const tools = async () => ({
      java: (await requireJava(settings.javaHome, env)).program,
      jars: await cassandraFiles({ cacheDir: settings.cacheDir, env, progress, signal }),
    });
    const place: RingPlace = { address, seeds: RING_HOSTS.slice(0, 1), ringDelayMs: RING_DELAY_MS };
    const kind = cassandraServer({ home, tools, settings, env, place });
    const start = (shown: Progress): Promise<unknown> =>
      ensureServer(kind, {
        home,
        // The same two ports on each address: fixed, though they were chosen among the free.
        portsMode: 'fixed',
        progress: shown,
        signal,
        onLaunch: () => undefined,
      });
    const server = new RunningServer(home, 'cassandra', { host: address, port: this.place.port }, () =>
      start(silentProgress),
    );
    this.servers.push(server);
    await start(progress);
  }
}
