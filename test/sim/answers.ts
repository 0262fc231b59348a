/** What a coordinator answers: rows, or one of the driver's errors. And at which consistency it was asked. */
import { errors, types } from 'cassandra-driver';
import type { ResultRow } from './queries.ts';

/** How an answer to a client ends. */
export type Answer =
  | { readonly kind: 'rows'; readonly rows: readonly ResultRow[]; readonly applied: boolean }
  | { readonly kind: 'error'; readonly error: Error };

/** A write that was carried out. */
export const DONE: Answer = { kind: 'rows', rows: [], applied: true };

/** True at SERIAL. */
export function isSerial(consistency: types.consistencies): boolean {
  return consistency === types.consistencies.serial || consistency === types.consistencies.localSerial;
}

/** True at ONE. */
export function isOne(consistency: types.consistencies): boolean {
  return consistency === types.consistencies.one || consistency === types.consistencies.localOne;
}

/** Too few replicas are there: nothing was done. */
export function unavailable(): Answer {
  const error = new errors.ResponseError(
    types.responseErrorCodes.unavailableException,
    'not enough replicas are alive',
  );
  return { kind: 'error', error };
}

/** The connection is gone: whether anything was done is unknown. */
export function connectionLost(): Answer {
  return { kind: 'error', error: new errors.NoHostAvailableError({}, 'the connection was lost') };
}
