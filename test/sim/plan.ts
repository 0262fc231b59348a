/** Faults of processes and servers, each at a moment: how many, which, when. They are carried out on a running simulation. */
import type { Faults, PlannedFault } from './faults.ts';
import { PLANNED_FAULTS } from './faults.ts';
import type { Link } from './network.ts';
import type { Random } from './random.ts';
import type { Simulation } from './simulation.ts';

/** Every seed has so many of these at least. */
const PLANNED_MIN = 3;
const PLANNED_MAX = 9;
/** Messages that are said again at once, at most. */
const REPEATED_MAX = 20;

/** What happens when; `ms` after the start. */
export interface PlannedEvent {
  readonly ms: number;
  readonly kind: PlannedFault;
}

/** Draws a plan. */
export function drawPlan(random: Random, activeMs: number): PlannedEvent[] {
  const favourites = PLANNED_FAULTS.filter(() => random.chance(0.5));
  const kinds = favourites.length > 0 ? favourites : PLANNED_FAULTS;
  const count = PLANNED_MIN + random.below(PLANNED_MAX - PLANNED_MIN + 1);
  return Array.from({ length: count }, () => ({
    ms: random.between(0.05, 0.95) * activeMs,
    kind: random.pick(kinds),
  }));
}

/** Carries one out. What finds nothing to strike becomes a killed worker, which there always is. */
export function carryOut(kind: PlannedFault, simulation: Simulation, faults: Faults): void {
  const struck = strike(kind, simulation) ? kind : 'worker-killed';
  if (struck !== kind) strike('worker-killed', simulation);
  faults.count(struck);
  simulation.trace(() => `fault: ${struck}`);
}

function strike(kind: PlannedFault, simulation: Simulation): boolean {
  const { random, scheduler, network, database, server, processes } = simulation;
  const { nowMs } = scheduler;
  const [link] = network.dataLinks;
  switch (kind) {
    case 'worker-killed': {
      const worker = random.pick(processes.workers);
      processes.killWorker(worker, random.between(20, 8_000));
      return true;
    }
    case 'worker-stopped': {
      random.pick(processes.workers).process.stalledUntilMs = nowMs + random.between(500, 40_000);
      return true;
    }
    case 'ingest-killed': {
      const ingest = processes.feeding;
      if (!ingest) return false;
      processes.killIngest(ingest, random.between(20, 3_000));
      return true;
    }
    case 'ingest-stopped': {
      const ingest = processes.feeding;
      if (!ingest) return false;
      ingest.process.stalledUntilMs = nowMs + random.between(100, 20_000);
      return true;
    }
    case 'ingest-second':
      processes.secondIngest(random.chance(0.5));
      return true;
    case 'engine-restarted':
      processes.restartEngine(random.between(20, 3_000));
      return true;
    case 'connection-reset':
      if (!link) return false;
      network.cut(link, 'lost');
      return true;
    case 'messages-lost':
      if (!link) return false;
      network.loseNext = true;
      return true;
    case 'messages-repeated':
      return link !== undefined && repeat(link, simulation);
    case 'messages-reordered':
      return link !== undefined && network.cut(link, 'late');
    case 'replica-down':
      random.pick(database.replicas).downUntilMs = nowMs + random.between(500, 20_000);
      return true;
    case 'batch-whole-late':
      database.wholeLateNext = true;
      return true;
    case 'database-away':
      database.awayUntilMs = nowMs + random.between(200, 15_000);
      return true;
    default:
      server.awayUntilMs = nowMs + random.between(200, 15_000);
      return true;
  }
}

/** The engine says some of what it said again. */
function repeat(link: Link, { random, network, engine, processes }: Simulation): boolean {
  const to = processes.lastPublished;
  if (to === 0n) return false;
  const from = 1n + BigInt(random.below(Number(to)));
  for (let count = random.below(REPEATED_MAX), at = from; count >= 0 && at <= to; count -= 1) {
    network.inject(link, [...engine.framesOf(at)]);
    at += 1n;
  }
  return true;
}
