/**
 * Temporal's dev server with its web UI, kept in a file so that nothing is lost with the process, and told what makes
 * it fast.
 */
import { rmSync, statSync } from 'node:fs';
import type { Config } from '../config/index.ts';
import { STACK_HOST } from '../config/index.ts';
import { homePaths, rotateConsoleLog } from './home.ts';
import { temporalAnswers } from './probes.ts';
import { MarkedLog } from './log-tail.ts';
import type { ServerKind } from './server-start.ts';
import type { TemporalProgram } from './temporal-program.ts';
import { temporalTuningArgs } from './temporal-settings.ts';
import type { Environment } from './tools.ts';

const START_MS_MAX = 90_000;
/** It needs well under a second; the rest is for a machine with other work. */
const GRACE_MS = 15_000;

/** What it is started with. */
export interface TemporalServerOptions {
  readonly home: string;
  /** Finds or builds the program. */
  readonly program: () => Promise<TemporalProgram>;
  readonly settings: Config['stack'];
  readonly namespace: string;
  /** Search attributes, name to type. */
  readonly searchAttributes: Readonly<Record<string, string>>;
  readonly env: Environment;
}

/** How Temporal is started. */
export function temporalServer(options: TemporalServerOptions): ServerKind<'temporal'> {
  const { home, program, settings, namespace, searchAttributes, env } = options;
  const paths = homePaths(home);
  const printed = new MarkedLog(paths.console.temporal);
  const port = (what: string, value: number, variable: string) => ({ what, port: value, variable });
  return {
    name: 'temporal',
    title: 'Temporal',
    ports: {
      frontend: port('Temporal', settings.temporalPort, 'SETTLED_STACK_TEMPORAL_PORT'),
      ui: port("Temporal's web UI", settings.temporalUiPort, 'SETTLED_STACK_TEMPORAL_UI_PORT'),
    },
    startMsMax: START_MS_MAX,
    graceMs: GRACE_MS,
    prepare: async (ports) => {
      const { path, version } = await program();
      rotateConsoleLog(paths.console.temporal);
      printed.mark();
      discardHalfMade(paths.temporalDatabase);
      return {
        program: path,
        version,
        args: [
          ['server', 'start-dev', '--ip', STACK_HOST, '--headless=false', '--log-level', 'warn'],
          ['--port', String(ports.frontend), '--ui-port', String(ports.ui)],
          ['--db-filename', paths.temporalDatabase],
          namespace === 'default' ? [] : ['--namespace', namespace],
          Object.entries(searchAttributes).flatMap(([name, type]) => [
            '--search-attribute',
            `${name}=${type}`,
          ]),
          temporalTuningArgs(),
        ].flat(),
        folder: paths.temporal,
        env,
        consolePath: paths.console.temporal,
      };
    },
    probe: (ports) => temporalAnswers(ports, namespace),
    output: () => printed.sinceMark(),
  };
}

/** An empty database is one whose making was interrupted; the server would take it for a finished one. */
function discardHalfMade(database: string): void {
  if (statSync(database, { throwIfNoEntry: false })?.size !== 0) return;
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${database}${suffix}`, { force: true });
}
