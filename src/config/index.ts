/** The configuration's door: everything that other folders use of it. */
export { describeConfig } from './describe.ts';
export { ConfigError, type ConfigFault } from './faults.ts';
export type { Instrument } from './instruments.ts';
export { type AddressSource, type Config, type ConfigOverrides, loadConfig, type TlsFiles } from './load.ts';
export { type Replication, replicationCql } from './replication.ts';
export { configSchema } from './schema.ts';
export { REDACTED, Secret } from './secret.ts';
export { type SettingEntry, settings, type UnknownVariable, unknownVariables } from './settings.ts';
export {
  type CassandraServerState,
  readStackState,
  STACK_DATACENTER,
  STACK_HOST,
  type StackState,
  stackStatePath,
  type TemporalServerState,
  writeStackState,
} from './stack-state.ts';
