/**
 * What is to happen in a run, drawn from its seed alone: which faults, in which order, how long each, and how far apart they
 * strike. At least half of the faults are kills, spread evenly over the processes; the others go round all
 * the other kinds before any comes again.
 */
import { Random } from '../../src/simulator/random.ts';
import { LINKS, type Link } from './links.ts';

/** Processes that are killed and stopped. */
export const PROCESSES = ['engine', 'ingest', 'worker', 'cassandra', 'temporal'] as const;
/** One of them. */
export type Victim = (typeof PROCESSES)[number];
/** Those that are this project's, for which there is a bar on the time back to work. */
export const OUR_PROCESSES: readonly Victim[] = ['engine', 'ingest', 'worker'];

/** One fault. Times in ms. */
export type Fault =
  /** kill -9, and started again after so long. */
  | { readonly kind: 'kill'; readonly victim: Victim; readonly downMs: number }
  /** SIGSTOP, and SIGCONT after so long. */
  | { readonly kind: 'pause'; readonly victim: Victim; readonly forMs: number }
  | {
      readonly kind: 'delay';
      readonly link: Link;
      readonly forMs: number;
      readonly msMin: number;
      readonly msMax: number;
    }
  /** Connections are reset, or fall silent. */
  | {
      readonly kind: 'cut';
      readonly link: Link;
      readonly forMs: number;
      readonly manner: 'reset' | 'silent';
    }
  | {
      readonly kind: 'corrupt';
      readonly link: Link;
      readonly forMs: number;
      readonly everyBytes: number;
    }
  /** The disk under the engine's outbox has no room left. */
  | { readonly kind: 'full-disk'; readonly forMs: number };

/** A fault with its place. */
export interface PlannedFault {
  readonly fault: Fault;
  /** Strikes when so many events more are settled than when the one before it was over. */
  readonly afterEvents: number;
}

/** What to plan. */
export interface PlanOptions {
  readonly seed: number;
  readonly faults: number;
  /** Events between two faults, on average: from none to twice as many. */
  readonly eventsBetween: number;
  /** Kinds to draw from, as {@link faultName} has them. @default all */
  readonly only?: readonly string[];
}

/** Longer than a lease, an activity's heartbeat time-out and the driver's patience. */
const LONG_PAUSE_MS: Range = [12_000, 20_000];
const SHORT_PAUSE_MS: Range = [300, 4_000];
const DOWN_MS: Range = [0, 1_500];
const NETWORK_FAULT_MS: Range = [1_000, 8_000];
const FULL_DISK_MS: Range = [1_000, 5_000];
/** The delays that the project promises to stand. */
const DELAY_MS: Range = [10, 500];
/** One byte of about so many is changed. */
const CORRUPT_EVERY_BYTES: Range = [2_000, 200_000];
/** The control sockets say little: a fault must hit some of it. */
const CORRUPT_CONTROL_EVERY_BYTES: Range = [20, 1_000];
/** Pauses that are long, of 1024. */
const LONG_PAUSES = 340;
const KILL_SHARE = 0.55;

type Range = readonly [number, number];

/** The stable name of a kind of fault with what it hits: `kill-worker`, `cut-ingest-cassandra`, `full-disk`. */
export function faultName(fault: Fault): string {
  if (fault.kind === 'full-disk') return fault.kind;
  return `${fault.kind}-${'victim' in fault ? fault.victim : fault.link}`;
}

/** True if the fault hits nothing but a process of this project. */
export function hitsOurs(fault: Fault): boolean {
  return 'victim' in fault && OUR_PROCESSES.includes(fault.victim);
}

/** Every kind there is, by name. */
export const FAULT_NAMES: readonly string[] = [
  ...PROCESSES.map((victim) => `kill-${victim}`),
  ...PROCESSES.map((victim) => `pause-${victim}`),
  ...(['delay', 'cut', 'corrupt'] as const).flatMap((kind) => LINKS.map((link) => `${kind}-${link}`)),
  'full-disk',
];

/**
 * The plan of a run. The same options give the same plan.
 *
 * @throws RangeError if there is a name that is none, or nothing to draw from
 */
export function planOf({ seed, faults, eventsBetween, only = FAULT_NAMES }: PlanOptions): PlannedFault[] {
  const strange = only.find((name) => !FAULT_NAMES.includes(name));
  if (strange !== undefined || only.length === 0)
    throw new RangeError(`there is no fault ${strange ?? ''}; there are ${FAULT_NAMES.join(', ')}`);
  const random = new Random(seed);
  const kills = new Round(
    only.filter((name) => name.startsWith('kill-')),
    random,
  );
  const others = new Round(
    only.filter((name) => !name.startsWith('kill-')),
    random,
  );
  const killCount = others.isEmpty ? faults : kills.isEmpty ? 0 : Math.ceil(faults * KILL_SHARE);
  const names = shuffled(
    Array.from({ length: faults }, (_, index) => (index < killCount ? kills : others).next()),
    random,
  );
  return names.map((name) => ({
    fault: draw(name, random),
    afterEvents: random.below(2 * eventsBetween + 1),
  }));
}

function draw(name: string, random: Random): Fault {
  const within = ([min, max]: Range): number => min + random.below(max - min + 1);
  if (name === 'full-disk') return { kind: name, forMs: within(FULL_DISK_MS) };
  const dash = name.indexOf('-');
  const [kind, target] = [name.slice(0, dash), name.slice(dash + 1)];
  const victim = target as Victim;
  const link = target as Link;
  if (kind === 'kill') return { kind, victim, downMs: within(DOWN_MS) };
  if (kind === 'pause')
    return { kind, victim, forMs: within(random.chance(LONG_PAUSES) ? LONG_PAUSE_MS : SHORT_PAUSE_MS) };
  const forMs = within(NETWORK_FAULT_MS);
  if (kind === 'cut') return { kind, link, forMs, manner: random.chance(512) ? 'reset' : 'silent' };
  if (kind === 'corrupt') {
    const every = link === 'control' ? CORRUPT_CONTROL_EVERY_BYTES : CORRUPT_EVERY_BYTES;
    return { kind, link, forMs, everyBytes: within(every) };
  }
  const msMin = within(DELAY_MS);
  return { kind: 'delay', link, forMs, msMin, msMax: within([msMin, DELAY_MS[1]]) };
}

/** Goes round names in a drawn order, another each round. */
class Round {
  readonly #names: readonly string[];
  readonly #random: Random;
  #left: string[] = [];

  constructor(names: readonly string[], random: Random) {
    this.#names = names;
    this.#random = random;
  }

  get isEmpty(): boolean {
    return this.#names.length === 0;
  }

  next(): string {
    if (this.#left.length === 0) this.#left = shuffled(this.#names, this.#random);
    return this.#left.pop()!;
  }
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let at = result.length - 1; at > 0; at -= 1) {
    const other = random.below(at + 1);
    [result[at], result[other]] = [result[other]!, result[at]!];
  }
  return result;
}

/** A fault in words. */
export function describeFault(fault: Fault): string {
  const name = faultName(fault);
  switch (fault.kind) {
    case 'kill':
      return `${name}, down for ${fault.downMs} ms`;
    case 'delay':
      return `${name} by ${fault.msMin}–${fault.msMax} ms, for ${fault.forMs} ms`;
    case 'cut':
      return `${name} (${fault.manner}), for ${fault.forMs} ms`;
    case 'corrupt':
      return `${name}, a byte of ${fault.everyBytes}, for ${fault.forMs} ms`;
    default:
      return `${name}, for ${fault.forMs} ms`;
  }
}
