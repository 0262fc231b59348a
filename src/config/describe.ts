/**
 * The configuration as lines for a person: every setting with its value in use. Secrets stay redacted.
 */
import type { Config } from './load.ts';
import { REDACTED } from './secret.ts';
import { type SettingEntry, settings } from './settings.ts';

const shown = (value: unknown): string => {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'bigint' ? String(inner) : inner,
  ).replace(/^"(.*)"$/, '$1');
};

/** Whether TLS is on follows from more than its own setting. */
function isSecured(config: Config, [server]: readonly string[]): boolean {
  return config[server as 'temporal' | 'cassandra'].tls !== undefined;
}

/** Every setting with its value in use, in the schema's order. Settings without a value are empty text. */
export function describeConfig(config: Config): readonly (SettingEntry & { readonly value: string })[] {
  return settings.map((entry) => {
    const { path, secret } = entry;
    const value = path.reduce<unknown>(
      (node, key) => (node as Record<string, unknown> | undefined)?.[key],
      config,
    );
    const inUse = path.at(-1) === 'enabled' ? isSecured(config, path) : value;
    return { ...entry, value: secret === true && value !== undefined ? REDACTED : shown(inUse) };
  });
}
