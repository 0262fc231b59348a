/**
 * The schema seen as a flat list of settings: where each stands in the configuration, and its meta. Loader,
 * documentation and tests walk this list instead of knowing the schema's shape.
 */
import { z } from 'zod';
import { configSchema } from './schema.ts';
import type { SettingMeta } from './setting.ts';

/** One setting and its place in the configuration. */
export interface SettingEntry extends SettingMeta {
  /** For example `['stream', 'name']`. */
  readonly path: readonly string[];
}

function* walk(schema: z.ZodObject, path: readonly string[]): Generator<SettingEntry> {
  for (const [key, value] of Object.entries(schema.shape)) {
    const here = [...path, key];
    if (value instanceof z.ZodObject) yield* walk(value, here);
    else yield { ...((value as z.ZodType).meta() as unknown as SettingMeta), path: here };
  }
}

/** Every setting, in the schema's order. */
export const settings: readonly SettingEntry[] = [...walk(configSchema, [])];

/** The variables that a setting could have been meant by, for names that no setting has. */
export interface UnknownVariable {
  readonly variable: string;
  /** The nearest known variable, where one is near enough. */
  readonly meant?: string;
}

/** Number of single-letter edits between two words. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

/**
 * `SETTLED_*` variables that no setting knows, to be warned about: a typing error must not pass unseen. They are no
 * fault, since schedulers put names of their own into an environment.
 */
export function unknownVariables(env: NodeJS.ProcessEnv): readonly UnknownVariable[] {
  const known = settings.map((entry) => entry.variable);
  return Object.keys(env)
    .filter((variable) => variable.startsWith('SETTLED_') && !known.includes(variable))
    .map((variable) => {
      const near = known
        .map((candidate) => ({ candidate, distance: editDistance(variable, candidate) }))
        .toSorted((a, b) => a.distance - b.distance)[0];
      return near && near.distance <= 4 ? { variable, meant: near.candidate } : { variable };
    });
}
