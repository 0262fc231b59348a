/**
 * Starts the real servers once for a whole test run, in a temporary home on free ports, and stops them at the end; a
 * watchdog does that where the run is killed. Test files find them by `inject('stack')`.
 */
import type { TestProject } from 'vitest/node';
import { loadConfig } from '../src/config/index.ts';
import { lineProgress, stackOptions, startTemporaryStack } from '../src/stack/index.ts';

/** Addresses of the servers under test. */
export interface TestStack {
  readonly temporalAddress: string;
  readonly temporalUiUrl: string;
  readonly cassandraContactPoints: readonly string[];
  readonly cassandraPort: number;
  readonly datacenter: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    stack: TestStack;
  }
}

/** Starts the stack; returns what stops it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stack = await startTemporaryStack({
    ...stackOptions(loadConfig(process.env)),
    progress: lineProgress((line) => process.stderr.write(`${line}\n`)),
  });
  project.provide('stack', {
    temporalAddress: stack.temporalAddress,
    temporalUiUrl: stack.temporalUiUrl ?? '',
    cassandraContactPoints: stack.cassandraContactPoints,
    cassandraPort: stack.cassandraPort,
    datacenter: stack.datacenter,
  });
  return () => stack.stop();
}
