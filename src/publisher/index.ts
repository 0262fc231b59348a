/** The engine's side of the wire, as a library: `import { Publisher } from 'settled/publisher'`. */
export * from './errors.ts';
export type { PublishedEvent } from './numbering.ts';
export type { NoticeKind, PublisherNotice, PublisherOptions } from './options.ts';
export type { HeldEvent } from './outbox.ts';
export { Publisher, type PublisherStatus } from './publisher.ts';
export { PublisherOpenError } from './sockets.ts';
export {
  type CurveKeys,
  type NamedKey,
  newCurveKeys,
  readCurveKeys,
  readPublicKeys,
} from '../curve/index.ts';
