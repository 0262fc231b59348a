/** CURVE keys out of files that a person named: read once, at the edge. */
import type { Config } from '../config/index.ts';
import { readCurveKeys, readPublicKeys, type CurveOptions } from '../curve/index.ts';

/**
 * The keys of these files, or undefined where none are named: then the sockets are in the clear.
 *
 * @throws KeyFileError naming the file and what to do; Error where only one is named
 */
export function curveOf(
  secretKeyPath: string | undefined,
  peerKeysPath: string | undefined,
): Pick<CurveOptions, 'keys' | 'peers'> | undefined {
  if (secretKeyPath === undefined && peerKeysPath === undefined) return undefined;
  if (secretKeyPath === undefined || peerKeysPath === undefined)
    throw new Error("our CURVE secret key and the other side's public keys go together: give both files");
  return { keys: readCurveKeys(secretKeyPath), peers: readPublicKeys(peerKeysPath) };
}

/** The ingest's keys. */
export const ingestCurve = ({ ingest }: Config): Pick<CurveOptions, 'keys' | 'peers'> | undefined =>
  curveOf(ingest.curveKeyPath, ingest.curvePeersPath);
