/** Faults of processes and servers, each at a moment: how many, which, when. They are carried out on a running simulation. */
import type { Faults, PlannedFault } from './faults.ts';
import { PLANNED_FAULTS } from './faults.ts';
import type { Random } from './random.ts';
import type { Simulation } from './simulation.ts';

/** Every seed has so many of these at least. */
const PLANNED_MIN = 3;
const PLANNED_MAX = 9;

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
  const { random, scheduler, network, database, server } = simulation;
  const { nowMs } = scheduler;
  const connection = network.connections[0];
  switch (kind) {
    case 'worker-killed': {
      const worker = random.pick(simulation.workers);
      simulation.killWorker(worker, random.between(20, 8_000));
      return true;
    }
    case 'worker-stopped': {
      random.pick(simulation.workers).process.stalledUntilMs = nowMs + random.between(500, 40_000);
      return true;
    }
    case 'ingest-killed': {
      const ingest = simulation.feeding;
      if (!ingest) return false;
      simulation.killIngest(ingest, random.between(20, 3_000));
      return true;
    }
    case 'ingest-stopped': {
      const ingest = simulation.feeding;
      if (!ingest) return false;
      ingest.process.stalledUntilMs = nowMs + random.between(100, 20_000);
      return true;
    }
    case 'ingest-second':
      simulation.secondIngest(random.chance(0.5));
      return true;
    case 'engine-restarted':
      if (!connection) return false;
      for (const one of network.connections) network.reset(one, false);
      return true;
    case 'connection-reset':
      if (!connection) return false;
      network.reset(connection, false);
      return true;
    case 'messages-lost':
      if (connection?.cursor === undefined || connection.cursor >= simulation.engine.lastStated) return false;
      connection.cursor += BigInt(1 + random.below(5));
      return true;
    case 'messages-repeated':
      if (connection?.cursor === undefined || connection.cursor < 3n) return false;
      connection.cursor -= BigInt(1 + random.below(Math.min(20, Number(connection.cursor) - 1)));
      network.pump(connection);
      return true;
    case 'messages-reordered':
      return connection !== undefined && network.reset(connection, true);
    case 'replica-down':
      random.pick(database.replicas).downUntilMs = nowMs + random.between(500, 20_000);
      return true;
    case 'database-away':
      database.awayUntilMs = nowMs + random.between(200, 15_000);
      return true;
    default:
      server.awayUntilMs = nowMs + random.between(200, 15_000);
      return true;
  }
}
