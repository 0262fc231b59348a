/** Which peers are there: those whose handshake was done, not those who were refused. */
import type { Dealer, Pull, Push, Router } from 'zeromq';

/**
 * Tells when a peer is there, and when one is gone. ZeroMQ announces the end of every connection alike, also of one that never
 * spoke ZeroMQ (a port scan) or was refused, and does not say whose it was. So an end counts as a peer's only where
 * no other connection is open that it may have been: a peer may be thought to be there as long as a stranger is connected
 * beside it (with CURVE 30 s at most), but none that is there is ever thought to be gone.
 */
export function watchPeers(
  socket: Push | Router | Pull | Dealer,
  onReady: (address: string) => void,
  onGone: (address: string) => void,
): void {
  const { events } = socket;
  let open = 0;
  let ready = 0;
  for (const event of ['accept', 'connect'] as const)
    events.on(event, () => {
      open += 1;
    });
  events.on('handshake', ({ address }) => {
    ready += 1;
    open = Math.max(open, ready);
    onReady(address);
  });
  events.on('disconnect', ({ address }) => {
    open = Math.max(open - 1, 0);
    if (ready <= open) return;
    ready = open;
    onGone(address);
  });
}
