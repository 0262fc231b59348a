/** Which peers are there: those whose handshake was done, not those who were refused. */
import type { Dealer, Pull, Push, Router } from 'zeromq';

/**
 * Tells when a peer is there, and when one is gone. ZeroMQ announces the end of a connection also where a peer was refused
 * or spoke otherwise: such a one never was there. Its failed handshake is announced directly before.
 */
export function watchPeers(
  socket: Push | Router | Pull | Dealer,
  onReady: (address: string) => void,
  onGone: (address: string) => void,
): void {
  const { events } = socket;
  let hasFailed = false;
  events.on('handshake', ({ address }) => {
    onReady(address);
  });
  for (const event of ['handshake:error:protocol', 'handshake:error:auth', 'handshake:error:other'] as const)
    events.on(event, () => {
      hasFailed = true;
    });
  events.on('disconnect', ({ address }) => {
    if (!hasFailed) onGone(address);
    hasFailed = false;
  });
}
