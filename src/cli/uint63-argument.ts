/** A number on the command line that must be exact: an id, a sequence. */
import { InvalidArgumentError } from 'commander';
import { parseUint63 } from '../domain/integers.ts';
import { reasonOf } from '../logging/reason-of.ts';

/** What commander calls for such an argument. @param name what it is, for the message that refuses it */
export function uint63Argument(name: string): (text: string) => bigint {
  return (text) => {
    try {
      return parseUint63(text, name);
    } catch (error) {
      throw new InvalidArgumentError(reasonOf(error));
    }
  };
}
