/** Plants a bug: a copy of what a simulation runs, in a temporary folder, with one text replaced. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PlantedBug } from './bugs.ts';

const COPIED = ['src', 'test/sim', 'package.json', 'tsconfig.json'];

/** The bug's text is not in the product as it was when the bug was thought of. */
export class PlantError extends Error {
  override readonly name = 'PlantError';
}

/** Makes the copy. Returns its folder and what removes it. */
export function plant(root: string, bug: PlantedBug): { folder: string; remove: () => void } {
  const text = readFileSync(join(root, bug.file), 'utf8');
  const planted = replaced(text, bug);
  const folder = mkdtempSync(join(tmpdir(), `settled-planted-`));
  for (const path of COPIED) cpSync(join(root, path), join(folder, path), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, bug.file), planted);
  return {
    folder,
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * The text with the bug in it.
 *
 * @throws {@link PlantError} if what is replaced does not stand there exactly once
 */
export function replaced(text: string, { name, file, find, replace }: PlantedBug): string {
  const places = text.split(find).length - 1;
  if (places !== 1)
    throw new PlantError(
      `planted bug ${name}: its text stands ${places} times in ${file} instead of once: ${find}`,
    );
  return text.replace(find, () => replace);
}
