/** The door of this room: keys, their files, and sockets that speak CURVE. */
export {
  type CurveKeys,
  KeyFileError,
  type NamedKey,
  newCurveKeys,
  readCurveKeys,
  readPublicKeys,
  writeCurveKeys,
} from './keys.ts';
export { RefusedPeers } from './refused.ts';
export {
  type CurveOptions,
  CurvePeersError,
  type RefusedKind,
  type RefusedPeer,
  secureSocket,
} from './sockets.ts';
