/**
 * A write that times out, of whatever type, is neither done nor failed: it is sent again, unchanged (I5).
 */
import { pause, type Clock } from './clock.ts';
import type { SettlerLimits } from './limits.ts';
import type { WriteEnding } from './port.ts';

/**
 * Sends a write until it is acknowledged.
 *
 * @throws what the write throws; or Error if it keeps timing out for `writeMsMax`
 */
export async function untilWritten(
  clock: Clock,
  limits: SettlerLimits,
  what: string,
  write: () => Promise<WriteEnding>,
): Promise<void> {
  const started = clock.now();
  for (let delayMs = limits.retryMsFirst; ; delayMs = Math.min(delayMs * 2, limits.retryMsMax)) {
    if ((await write()) === 'written') return;
    if (clock.now() - started > limits.writeMsMax)
      throw new Error(`${what} timed out again and again for ${clock.now() - started} ms`);
    await pause(clock, delayMs);
  }
}
