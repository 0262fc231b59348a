/**
 * Does one fault to the scene and takes it back again. A process counts as back from its fault when it is started again
 * (ours: from then on its own start counts), a server when it answers, a link when the weather is fair.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ChaosError } from './patience.ts';
import { fillDisk, type SmallDisk } from './small-disk.ts';
import type { Fault, Victim } from './plan.ts';
import type { TcpProxy, Weather } from './proxy.ts';
import type { Scene } from './scene.ts';
import type { RunningServer } from './servers.ts';
import type { Supervised } from './supervised.ts';

const LOOK_MS = 100;
const LOOKS_MAX = 100;

/** Strikes; resolves as soon as the fault is over. */
export async function strike(scene: Scene, fault: Fault, number: number, signal: AbortSignal): Promise<void> {
  const wait = (ms: number): Promise<void> => sleep(ms, undefined, { signal });
  if (fault.kind === 'kill') {
    const victim = await runningVictim(scene, fault.victim, number, wait);
    await victim.kill();
    await wait(fault.downMs);
    await victim.start();
  } else if (fault.kind === 'pause') {
    const victim = pausable(await runningVictim(scene, fault.victim, number, wait));
    victim.pause();
    try {
      await wait(fault.forMs);
    } finally {
      victim.resume();
    }
  } else if (fault.kind === 'full-disk') await onFullDisk(scene.disk, () => wait(fault.forMs));
  else await inWeather(scene.proxies.get(fault.link) ?? [], weatherOf(fault), () => wait(fault.forMs));
}

/** Who is to be hit. A process that has just ended by itself is started again first: what is not there cannot be. */
async function runningVictim(
  scene: Scene,
  name: Victim,
  number: number,
  wait: (ms: number) => Promise<void>,
): Promise<RunningServer | Supervised> {
  const victim = victimOf(scene, name, number);
  if (!('signal' in victim)) return victim;
  const runs = (): boolean => victim.pid !== undefined;
  for (let looks = 0; !runs(); looks += 1) {
    if (looks === LOOKS_MAX)
      throw new ChaosError(`${victim.name} was to be hit, and does not run: ${victim.state}`);
    await wait(LOOK_MS);
  }
  return victim;
}

function victimOf(scene: Scene, victim: Victim, number: number): RunningServer | Supervised {
  const { engine, ingest, workers, servers } = scene;
  const some = {
    engine: [engine],
    ingest: [ingest],
    worker: workers,
    temporal: [servers.temporal],
    cassandra: servers.cassandra,
  }[victim];
  return some[number % some.length]!;
}

function pausable(victim: RunningServer | Supervised): { pause(): void; resume(): void } {
  if ('pause' in victim) return victim;
  return { pause: () => victim.signal('SIGSTOP'), resume: () => victim.signal('SIGCONT') };
}

async function inWeather(
  proxies: readonly TcpProxy[],
  weather: Weather,
  work: () => Promise<void>,
): Promise<void> {
  for (const proxy of proxies) proxy.weather = weather;
  try {
    await work();
  } finally {
    for (const proxy of proxies) proxy.weather = { kind: 'fair' };
  }
}

function weatherOf(fault: Extract<Fault, { readonly link: unknown }>): Weather {
  if (fault.kind === 'cut') return { kind: fault.manner === 'reset' ? 'cut' : 'silent' };
  // All links are encrypted: a changed byte is found, wherever it is.
  if (fault.kind === 'corrupt') return { kind: 'corrupt', everyBytes: fault.everyBytes, mask: 0xff };
  return fault;
}

async function onFullDisk(disk: SmallDisk | undefined, work: () => Promise<void>): Promise<void> {
  if (!disk) throw new Error('no small disk lies under the outbox');
  const empty = fillDisk(disk);
  try {
    await work();
  } finally {
    empty();
  }
}
