/** The ingest's CURVE keys out of the configuration: read once, at the edge. */
import type { Config } from '../config/index.ts';
import { readCurveKeys, readPublicKeys, type CurveOptions } from '../curve/index.ts';

/**
 * The keys, or undefined where the sockets are in the clear.
 *
 * @throws KeyFileError naming the file and what to do
 */
export function ingestCurve({ ingest }: Config): Pick<CurveOptions, 'keys' | 'peers'> | undefined {
  const { curveKeyPath, curvePeersPath } = ingest;
  if (curveKeyPath === undefined || curvePeersPath === undefined) return undefined;
  return { keys: readCurveKeys(curveKeyPath), peers: readPublicKeys(curvePeersPath) };
}
