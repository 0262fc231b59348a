/**
 * The configuration as lines for a person: every setting with its value in use. Secrets stay redacted.
 */
import type { Config } from './load.ts';
import { REDACTED } from './secret.ts';
import { settings } from './settings.ts';

const shown = (value: unknown): string => {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'bigint' ? String(inner) : inner,
  ).replace(/^"(.*)"$/, '$1');
};

/**
 * Variable and value of every setting in use, in the schema's order. Settings without a value are empty text.
 */
export function describeConfig(
  config: Config,
): readonly { readonly variable: string; readonly value: string }[] {
  return settings.map(({ variable, path, secret }) => {
    const value = path.reduce<unknown>(
      (node, key) => (node as Record<string, unknown> | undefined)?.[key],
      config,
    );
    return { variable, value: secret === true && value !== undefined ? REDACTED : shown(value) };
  });
}
