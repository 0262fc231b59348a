/** Heartbeats of the activity that runs: a worker that died is noticed, a cancellation arrives. */
import { Context } from '@temporalio/activity';

/** Heartbeats sent within the time after which an attempt counts as dead. */
const HEARTBEATS_PER_TIMEOUT = 3;
/** Interval of heartbeats where the caller set no time-out, ms. */
const HEARTBEAT_MS = 1_000;

/** Heartbeats until the returned function is called. */
export function startHeartbeats(): () => void {
  const context = Context.current();
  const timeoutMs = context.info.heartbeatTimeoutMs;
  const everyMs =
    timeoutMs === undefined || timeoutMs === 0 ? HEARTBEAT_MS : timeoutMs / HEARTBEATS_PER_TIMEOUT;
  const timer = setInterval(() => context.heartbeat(), everyMs);
  return () => clearInterval(timer);
}
