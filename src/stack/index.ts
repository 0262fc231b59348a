/** The stack's door: what commands, tests and the demonstration use of it. */
export {
  BuildFailedError,
  DiskFullError,
  InterruptedError,
  MissingToolError,
  PortTakenError,
  ServerFailedError,
  StackError,
} from './errors.ts';
export { SERVERS, type ServerName } from './home.ts';
export { type LogsOptions, showLogs } from './logs.ts';
export { lineProgress, type Progress, progressFor, type ProgressStep, silentProgress } from './progress.ts';
export { stackOptions, type StartStackOptions } from './options.ts';
export { prepareStack, type RunningStack, startStack } from './start.ts';
export { type ServerCondition, type ServerStatus, type StackStatus, stackStatus } from './status.ts';
export { type StopOptions, type StopResult, stopStack } from './stop.ts';
export { startTemporaryStack, type TemporaryStackOptions } from './temporary.ts';
export { TEMPORAL_DYNAMIC_CONFIG, TEMPORAL_SQLITE_PRAGMAS } from './temporal-settings.ts';
