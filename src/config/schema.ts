/**
 * Every setting of `settled`, in one schema: the variable, what it means, what it may be, its default. These files are
 * the only place that names a `SETTLED_*` variable of the configuration; documentation, compose file and messages are
 * held against it.
 */
import { z } from 'zod';
import { log, stack } from './schema-machine.ts';
import { cassandra, temporal } from './schema-servers.ts';
import { ingest, settlement, stream } from './schema-settling.ts';

/** Every setting, by section. Each leaf's `meta()` is a {@link SettingMeta}. */
export const configSchema = z.object({ temporal, cassandra, stream, ingest, settlement, stack, log });
