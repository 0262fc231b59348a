/**
 * A workflow of the same name that does not do what its histories say: it begins with a timer. The replay test must
 * refuse it, or it proves nothing.
 */
import { sleep } from '@temporalio/workflow';
import type { PartitionInput } from '../../src/workflows/contract.ts';
import { partition as sound } from '../../src/workflows/partition.ts';

/** The partition, one timer too late. */
export async function partition(input: PartitionInput): Promise<void> {
  await sleep(1);
  await sound(input);
}
