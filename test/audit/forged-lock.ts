/**
 * A forgery that contradicts itself nowhere: a lock of another amount, with digest, legs, entry, chain and balance as
 * they would have been. Only what was received before anything was settled gives it away (I1b).
 */
import { calculate } from '../../src/domain/calculate.ts';
import { contentDigest } from '../../src/domain/digest.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import { ledgerEventOf } from '../../src/ledger/event-rows.ts';
import { decodeLegs, encodeLegs } from '../../src/ledger/legs-cell.ts';
import { isOf, isSequence } from './damaged-stream.ts';
import type { Image, Row } from './image.ts';

/** Raises a lock by one. It must be the last event of its balance. */
export async function forgeLock(image: Image, lock: Row): Promise<Row> {
  const original = ledgerEventOf(lock as never);
  const event = { ...original, amount: original.amount + 1n };
  const [leg] = decodeLegs(lock['legs'] as string, original);
  const [step] = leg?.steps ?? [];
  if (!leg || !step) throw new Error('a lock has a leg');
  const digest = contentDigest(event);
  const legs = legsOf(event);
  const before = {
    available: step.availableAfter - step.availableChange,
    frozen: step.frozenAfter - step.frozenChange,
    version: leg.versionBefore,
    lastSequence: 0n,
    chain: leg.chainBefore,
  };
  const result = calculate(event, digest, legs, touchesOf(legs), [before]);
  if (result.kind !== 'calculated') throw new Error(result.reason);
  const [balance] = result.balances;
  const forged = { ...lock, amount: event.amount, digest, legs: encodeLegs(result.legs) };
  await image.change('ledger_events', isSequence(lock), () => forged);
  await image.change('ledger_entries', isSequence(lock), (row) => ({
    ...row,
    available_change: -event.amount,
    frozen_change: event.amount,
    available: balance?.available,
    frozen: balance?.frozen,
    chain: balance?.chain,
  }));
  await image.change(
    'user_balances',
    isOf({ user_id: lock['user_id'], asset_id: lock['currency'] }),
    (row) => ({
      ...row,
      available: balance?.available,
      frozen: balance?.frozen,
      chain: balance?.chain,
    }),
  );
  return forged;
}
