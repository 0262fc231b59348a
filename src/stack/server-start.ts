/**
 * How either server is started: keep the one that runs, else choose ports, start the process, note it in the state
 * before anything else can go wrong, and wait until it answers. With free ports a collision leads to another try with
 * others; with fixed ones it is named.
 */
import { readStackState, type StackState, writeStackState } from '../config/index.ts';
import { PortTakenError, ServerFailedError } from './errors.ts';
import { isPortFreeSoon, pickFreePort, portOwner } from './ports.ts';
import { isRunning, type ProcessIdentity } from './process-identity.ts';
import type { Progress, ProgressStep } from './progress.ts';
import type { ServerName } from './home.ts';
import { launch, type Launch, stopProcess, untilAnswering } from './server-process.ts';

const FREE_PORT_ROUNDS_MAX = 4;
/** A port that the server had before may take so long to be free again, ms. */
const RELEASE_MS_MAX = 3_000;

type StateOf<N extends ServerName> = NonNullable<StackState[N]>;

/** A port that a server wants, and the setting that names it. */
export interface WantedPort {
  readonly what: string;
  readonly port: number;
  readonly variable: string;
}

/** What differs between the two servers. */
export interface ServerKind<N extends ServerName> {
  readonly name: N;
  readonly title: string;
  readonly ports: Readonly<Record<keyof StateOf<N>['ports'], WantedPort>>;
  readonly startMsMax: number;
  readonly graceMs: number;
  /** Writes what it needs to its folder, and says what to run. */
  readonly prepare: (ports: StateOf<N>['ports']) => Promise<Launch>;
  readonly probe: (ports: StateOf<N>['ports']) => Promise<boolean>;
  readonly output: () => string;
}

/** Where and under which conditions to start it. */
export interface ServerStart {
  readonly home: string;
  readonly portsMode: 'fixed' | 'free';
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Hears of a process as soon as there is one, so that a failed start can stop it. */
  readonly onLaunch: (identity: ProcessIdentity, graceMs: number) => void;
}

/** Notes one server in the home's state, or removes it. */
export function noteServer<N extends ServerName>(
  home: string,
  name: N,
  server: StateOf<N> | undefined,
): void {
  const { [name]: _replaced, ...others } = readStackState(home);
  writeStackState(home, (server === undefined ? others : { ...others, [name]: server }) as StackState);
}

async function choosePorts<N extends ServerName>(
  kind: ServerKind<N>,
  mode: 'fixed' | 'free',
  previous: StateOf<N>['ports'] | undefined,
): Promise<StateOf<N>['ports']> {
  const chosen: Record<string, number> = {};
  for (const [key, { what, port, variable }] of Object.entries<WantedPort>(kind.ports)) {
    const before = (previous as Record<string, number> | undefined)?.[key];
    const wanted = mode === 'fixed' ? port : before;
    // Clients know the port that it had: if it ended just now, that will be free in a moment.
    if (wanted !== undefined && (await isPortFreeSoon(wanted, wanted === before ? RELEASE_MS_MAX : 0)))
      chosen[key] = wanted;
    else if (mode === 'fixed') throw new PortTakenError(what, port, variable, await portOwner(port));
    else chosen[key] = await pickFreePort(new Set(Object.values(chosen)));
  }
  return chosen as StateOf<N>['ports'];
}

const saysPortTaken = (error: unknown): boolean =>
  error instanceof ServerFailedError &&
  /address already in use|can't set up.*port|port \d+ .*in use/i.test(error.output);

async function attempt<N extends ServerName>(
  kind: ServerKind<N>,
  start: ServerStart,
  previous: StateOf<N>['ports'] | undefined,
): Promise<StateOf<N>> {
  const { home, portsMode, signal, onLaunch } = start;
  const ports = await choosePorts(kind, portsMode, previous);
  const launching = await kind.prepare(ports);
  signal.throwIfAborted();
  const identity = await launch(launching);
  onLaunch(identity, kind.graceMs);
  const server = {
    ...identity,
    phase: 'starting',
    startedAtMs: Date.now(),
    version: launching.version,
    ports,
  } as StateOf<N>;
  noteServer(home, kind.name, server);
  await untilAnswering(identity, {
    title: kind.title,
    timeoutMs: kind.startMsMax,
    signal,
    probe: () => kind.probe(ports),
    output: kind.output,
  });
  const ready = { ...server, phase: 'ready' } as StateOf<N>;
  noteServer(home, kind.name, ready);
  return ready;
}

/** Waits for one that runs already, as an `up` that was killed may have left it, or says that it does not answer. */
async function keep<N extends ServerName>(
  kind: ServerKind<N>,
  { home, signal }: ServerStart,
  known: StateOf<N>,
  step: ProgressStep,
): Promise<StateOf<N>> {
  const timeoutMs = known.phase === 'ready' ? 10_000 : kind.startMsMax;
  try {
    const probe = () => kind.probe(known.ports);
    await untilAnswering(known, { title: kind.title, timeoutMs, signal, probe, output: () => '' });
  } catch (error) {
    if (!(error instanceof ServerFailedError)) throw error;
    throw new ServerFailedError(
      `${kind.title} runs as process ${known.pid} but does not answer. Stop it with \`settled down\` and start again.`,
      kind.output(),
    );
  }
  const ready = { ...known, phase: 'ready' } as StateOf<N>;
  if (known.phase !== 'ready') noteServer(home, kind.name, ready);
  step.done(`was up already, process ${known.pid}`);
  return ready;
}

/**
 * The server, answering; `started` tells whether it had to be started.
 * @throws {StackError} in words for a person
 */
export async function ensureServer<N extends ServerName>(
  kind: ServerKind<N>,
  start: ServerStart,
): Promise<{ readonly server: StateOf<N>; readonly started: boolean }> {
  const { home, portsMode, progress, signal } = start;
  const known = readStackState(home)[kind.name] as StateOf<N> | undefined;
  const step = progress.step(kind.title);
  try {
    if (known !== undefined && isRunning(known))
      return { server: await keep(kind, start, known, step), started: false };
    step.update('starting');
    for (let round = 1; ; round++) {
      try {
        const server = await attempt(kind, start, round === 1 ? known?.ports : undefined);
        step.done(
          `${server.version} is up, process ${server.pid}, ports ${Object.values(server.ports).join(' and ')}`,
        );
        return { server, started: true };
      } catch (error) {
        if (signal.aborted || portsMode === 'fixed' || round >= FREE_PORT_ROUNDS_MAX || !saysPortTaken(error))
          throw error;
        const failed = readStackState(home)[kind.name];
        if (failed !== undefined) await stopProcess(failed, kind.graceMs);
        step.update('a port was taken meanwhile, trying others');
      }
    }
  } catch (error) {
    step.fail(signal.aborted ? 'interrupted' : 'failed');
    throw error;
  }
}
