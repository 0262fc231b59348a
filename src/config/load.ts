/**
 * Reads the configuration, once, at the edge: environment, then flags over it, then addresses of the home's running
 * stack where none is configured. What it returns is complete, typed and frozen; a wrong value stops the start, and
 * every wrong value is named.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { z } from 'zod';
import { ConfigError, type ConfigFault } from './faults.ts';
import type { Replication } from './replication.ts';
import { configSchema } from './schema.ts';
import { Secret } from './secret.ts';
import { settings } from './settings.ts';
import { readStackState, STACK_HOST, type StackState } from './stack-state.ts';

type Parsed = z.output<typeof configSchema>;
type Section = keyof Parsed;

/** Where an address came from: the user, the home's running stack, or the defaults of one that is yet to start. */
export type AddressSource = 'configured' | 'stack' | 'default';

/** Files for TLS; none of them is needed where the system's authorities do. */
export interface TlsFiles {
  readonly caPath?: string | undefined;
  readonly certPath?: string | undefined;
  readonly keyPath?: string | undefined;
}

/** The configuration of a process. Frozen through and through. */
export interface Config {
  readonly temporal: Readonly<Omit<Parsed['temporal'], 'address' | 'tls' | 'uiUrl' | 'apiKeyPath'>> & {
    /** host:port of the frontend. */
    readonly address: string;
    readonly addressSource: AddressSource;
    readonly tls: (Readonly<TlsFiles> & { readonly serverName?: string | undefined }) | undefined;
    readonly uiUrl: string | undefined;
  };
  readonly cassandra: Readonly<
    Omit<Parsed['cassandra'], 'contactPoints' | 'port' | 'tls' | 'replication' | 'passwordPath'>
  > & {
    readonly contactPoints: readonly string[];
    readonly port: number;
    readonly addressSource: AddressSource;
    readonly tls: (Readonly<TlsFiles> & { readonly rejectUnauthorized: boolean }) | undefined;
    readonly replication: Replication;
  };
  readonly stream: Readonly<Parsed['stream']>;
  readonly ingest: Readonly<Parsed['ingest']>;
  readonly settlement: Readonly<Parsed['settlement']>;
  readonly stack: Readonly<Omit<Parsed['stack'], 'home' | 'cacheDir'>> & {
    /** Absolute. */
    readonly home: string;
    /** Absolute. */
    readonly cacheDir: string;
  };
  readonly log: Readonly<Parsed['log']>;
}

/** What command-line flags set: for any setting its typed value, or the text that its variable would hold. */
export type ConfigOverrides = {
  readonly [S in Section]?: {
    readonly [K in keyof Parsed[S]]?: K extends 'tls'
      ? Readonly<Record<string, unknown>> | undefined
      : Parsed[S][K] | string | undefined;
  };
};

/** Raw values from environment and overrides, nested as the schema is. */
function rawValues(env: NodeJS.ProcessEnv, overrides: ConfigOverrides): Record<string, unknown> {
  const raw: Record<string, unknown> = {};
  for (const { path, variable } of settings) {
    let node = raw;
    let override: unknown = overrides;
    for (const [depth, key] of path.entries()) {
      override = (override as Record<string, unknown> | undefined)?.[key];
      if (depth < path.length - 1) node = (node[key] ??= {}) as Record<string, unknown>;
      else node[key] = override ?? (env[variable] === '' ? undefined : env[variable]);
    }
  }
  return raw;
}

const at = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((node, key) => (node as Record<PropertyKey, unknown> | undefined)?.[key], value);

const display = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** Faults of single settings: those that the schema finds, and files that can't be read. */
function settingFaults(raw: Record<string, unknown>, issues: readonly z.core.$ZodIssue[]): ConfigFault[] {
  const faults: ConfigFault[] = [];
  for (const { path, variable, secret, file } of settings) {
    const value = at(raw, path);
    const shown = value === undefined || secret === true ? {} : { value: display(value) };
    const issue = issues.find((candidate) => candidate.path.join('.') === path.join('.'));
    if (issue) faults.push({ variable, ...shown, problem: issue.message });
    else if (file === true && typeof value === 'string') {
      try {
        accessSync(value, constants.R_OK);
      } catch {
        faults.push({ variable, ...shown, problem: 'must be the path of a readable file' });
      }
    }
  }
  return faults;
}

/** Faults between settings that are fine one by one. */
function relationFaults({ temporal, cassandra, stream, ingest, stack }: Parsed): ConfigFault[] {
  const faults: ConfigFault[] = [];
  const fault = (variable: string, problem: string) => faults.push({ variable, problem });
  if (ingest.chunkEventsMax > ingest.maxInFlightEvents)
    fault('SETTLED_INGEST_CHUNK_EVENTS_MAX', 'must not exceed SETTLED_INGEST_MAX_IN_FLIGHT_EVENTS');
  if ((ingest.curveKeyPath === undefined) !== (ingest.curvePeersPath === undefined))
    fault(
      `SETTLED_INGEST_CURVE_${ingest.curveKeyPath === undefined ? 'SECRET_KEY' : 'PEER_KEYS'}_PATH`,
      "must be given: our secret key and the engine's public key go together",
    );
  if (temporal.apiKey && temporal.apiKeyPath)
    fault('SETTLED_TEMPORAL_API_KEY_PATH', 'must be left out where SETTLED_TEMPORAL_API_KEY is given');
  if (stream.kind === 'classic' && ingest.controlEndpoint !== undefined)
    fault(
      'SETTLED_INGEST_CONTROL_ENDPOINT',
      "must be left out for a classic stream: such an engine can't send again",
    );
  if (ingest.controlEndpoint === ingest.endpoint && !ingest.endpoint.endsWith(':*'))
    fault('SETTLED_INGEST_CONTROL_ENDPOINT', 'must be another address than SETTLED_INGEST_ENDPOINT');
  if (cassandra.password && cassandra.passwordPath)
    fault('SETTLED_CASSANDRA_PASSWORD_PATH', 'must be left out where SETTLED_CASSANDRA_PASSWORD is given');
  if ((cassandra.password ?? cassandra.passwordPath) && !cassandra.username)
    fault('SETTLED_CASSANDRA_USERNAME', 'must be given with a password');
  if (cassandra.username && !cassandra.password && !cassandra.passwordPath)
    fault('SETTLED_CASSANDRA_PASSWORD_PATH', 'must be given with a user name');
  for (const [who, tls] of [
    ['TEMPORAL', temporal.tls],
    ['CASSANDRA', cassandra.tls],
  ] as const) {
    if ((tls.certPath === undefined) !== (tls.keyPath === undefined))
      fault(
        `SETTLED_${who}_TLS_${tls.certPath ? 'KEY' : 'CERT'}_PATH`,
        'must be given: certificate and key go together',
      );
  }
  const replication = cassandra.replication;
  if (replication?.class === 'NetworkTopologyStrategy' && !(cassandra.datacenter in replication.factors))
    fault('SETTLED_CASSANDRA_REPLICATION', `must give the datacenter ${cassandra.datacenter} a factor`);
  const ports = [stack.temporalPort, stack.temporalUiPort, stack.cassandraPort, stack.cassandraStoragePort];
  if (stack.ports === 'fixed' && new Set(ports).size < ports.length)
    fault('SETTLED_STACK_*_PORT', `must be four different ports, not ${ports.join(', ')}`);
  return faults;
}

/** The secret in a file, without the line's end that editors put there. */
function secretIn(path: string | undefined): Secret | undefined {
  return path === undefined ? undefined : new Secret(readFileSync(path, 'utf8').replace(/\r?\n$/, ''));
}

function temporalOf({ temporal, stack }: Parsed, state: StackState): Config['temporal'] {
  const { tls, address, uiUrl, apiKeyPath, ...rest } = temporal;
  const started = state.temporal?.ports;
  const { enabled, ...files } = tls;
  const apiKey = temporal.apiKey ?? secretIn(apiKeyPath);
  const secured = enabled ?? Boolean(tls.caPath ?? tls.certPath ?? tls.serverName ?? apiKey);
  const local = started ?? { frontend: stack.temporalPort, ui: stack.temporalUiPort };
  return {
    ...rest,
    apiKey,
    address: address ?? `${STACK_HOST}:${local.frontend}`,
    addressSource: address ? 'configured' : started ? 'stack' : 'default',
    uiUrl: uiUrl ?? (address ? undefined : `http://${STACK_HOST}:${local.ui}`),
    tls: secured ? files : undefined,
  };
}

function cassandraOf({ cassandra, stack }: Parsed, state: StackState): Config['cassandra'] {
  const { tls, contactPoints, port, replication, passwordPath, ...rest } = cassandra;
  const { enabled, ...files } = tls;
  const secured = enabled ?? Boolean(tls.caPath ?? tls.certPath);
  const started = state.cassandra?.ports.cql;
  const password = cassandra.password ?? secretIn(passwordPath);
  return {
    ...rest,
    password,
    contactPoints: contactPoints ?? [STACK_HOST],
    port: port ?? (contactPoints ? 9042 : (started ?? stack.cassandraPort)),
    addressSource: contactPoints ? 'configured' : started ? 'stack' : 'default',
    tls: secured ? files : undefined,
    replication: replication ?? {
      class: 'NetworkTopologyStrategy',
      factors: { [cassandra.datacenter]: 1 },
    },
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}

/**
 * The configuration of this process.
 * @param env the environment, normally `process.env`
 * @param overrides what command-line flags set; it wins over the environment
 * @throws {ConfigError} naming every fault
 */
export function loadConfig(env: NodeJS.ProcessEnv, overrides: ConfigOverrides = {}): Config {
  const raw = rawValues(env, overrides);
  const result = configSchema.safeParse(raw);
  const faults = settingFaults(raw, result.error?.issues ?? []);
  if (!result.success) throw new ConfigError(faults);
  faults.push(...relationFaults(result.data));
  if (faults.length > 0) throw new ConfigError(faults);
  const parsed = result.data;
  const cacheDir =
    parsed.stack.cacheDir ?? join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'settled');
  const stack = { ...parsed.stack, home: resolve(parsed.stack.home), cacheDir: resolve(cacheDir) };
  const state = readStackState(stack.home);
  return deepFreeze({
    ...parsed,
    stack,
    temporal: temporalOf(parsed, state),
    cassandra: cassandraOf(parsed, state),
  });
}
