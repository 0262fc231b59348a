/** A worker's connection to Temporal. Apart from the client's, since it loads the worker's SDK, which nobody else needs. */
import { NativeConnection } from '@temporalio/worker';
import type { Config } from '../config/index.ts';
import { connectionOptions, unreachable } from './temporal-options.ts';

/**
 * A worker's connection to the configured Temporal. Without compression: the SDK gzips what it sends by default, and asks
 * for gzip, which cost worker and server more than the bytes that it saved between neighbours.
 *
 * @throws Error naming the address if it does not answer
 */
export async function workerConnection(config: Config): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect({
      ...connectionOptions(config),
      grpcCompression: { codec: 'none' },
    });
  } catch (error) {
    throw unreachable(config, error);
  }
}
