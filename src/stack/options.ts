/**
 * What a start of the stack can be told, and how that follows from a configuration.
 */
import type { Config } from '../config/index.ts';
import type { Progress } from './progress.ts';
import type { Environment } from './tools.ts';
import type { WatchdogEnding } from './watching.ts';

/** What to start, and how. */
export interface StartStackOptions {
  /** Home, ports, cache and the like. */
  readonly settings: Config['stack'];
  /** @default 'default' */
  readonly namespace?: string;
  /** Search attributes for Temporal, name to type. */
  readonly searchAttributes?: Readonly<Record<string, string>>;
  /** host:port of a Temporal of the user's: none is started. */
  readonly temporalAddress?: string | undefined;
  readonly temporalUiUrl?: string | undefined;
  /** A Cassandra of the user's: none is started. */
  readonly cassandra?: {
    readonly contactPoints: readonly string[];
    readonly port: number;
    readonly datacenter: string;
  };
  /** The servers end with this process, even if that is killed; says what becomes of the data then. */
  readonly attached?: WatchdogEnding;
  /** Interrupts the start. */
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
  /** Where tools are looked for. @default process.env */
  readonly env?: Environment;
}

/** Start options out of a configuration: addresses that the user configured are used, the rest is started. */
export function stackOptions(config: Config): StartStackOptions {
  const { temporal, cassandra, stack } = config;
  return {
    settings: stack,
    namespace: temporal.namespace,
    ...(temporal.addressSource === 'configured'
      ? { temporalAddress: temporal.address, temporalUiUrl: temporal.uiUrl }
      : {}),
    ...(cassandra.addressSource === 'configured'
      ? {
          cassandra: {
            contactPoints: cassandra.contactPoints,
            port: cassandra.port,
            datacenter: cassandra.datacenter,
          },
        }
      : {}),
  };
}
