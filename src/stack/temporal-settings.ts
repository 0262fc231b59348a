/**
 * What a Temporal server must be told to serve settlement at speed. Measured: with the default poll rate each
 * workflow's activities are capped at one per 50 ms once busy. The same keys belong in the dynamic config of any
 * cluster that serves this, and `docker-compose.yml` is held against them.
 */

/** Dynamic config, key to JSON value. */
export const TEMPORAL_DYNAMIC_CONFIG: Readonly<Record<string, string>> = {
  'history.transferProcessorMaxPollRPS': '2000',
  'history.timerProcessorMaxPollRPS': '2000',
  // The default of 1 s makes every timer and every retry that is due sooner last about 1 s.
  'history.timerProcessorMaxTimeShift': '"1ms"',
  'system.enableActivityEagerExecution': 'true',
};

/** Pragmas of the dev server's database: a write-ahead log, flushed at checkpoints, doubles its rate of Updates. */
export const TEMPORAL_SQLITE_PRAGMAS: Readonly<Record<string, string>> = {
  journal_mode: 'WAL',
  synchronous: '1',
};

/** The arguments of `temporal server start-dev` that carry both. */
export const temporalTuningArgs = (): string[] => [
  ...Object.entries(TEMPORAL_SQLITE_PRAGMAS).flatMap(([key, value]) => [
    '--sqlite-pragma',
    `${key}=${value}`,
  ]),
  ...Object.entries(TEMPORAL_DYNAMIC_CONFIG).flatMap(([key, value]) => [
    '--dynamic-config-value',
    `${key}=${value}`,
  ]),
];
