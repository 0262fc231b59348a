/**
 * The outline of a JSON text: how deep it nests and which keys its outermost object writes, found in one pass
 * without building anything. The JSON library keeps one of two equal duplicates in silence and recurses with each
 * bracket; this pass is how duplicates are found (a known field stands once) and why deep input cannot exhaust the stack.
 */

/** Arrays and objects may nest this deep, the message's own object included. Known fields need 1. */
export const NESTING_MAX = 64;

/** What {@link outlineOf} found. Meaningful for valid JSON; for any other text merely some numbers. */
export interface Outline {
  /** Deepest nesting of arrays and objects: 0 for a bare value, 1 for `{}`. */
  readonly depth: number;
  /** How many keys the outermost object writes, duplicates counted each time. */
  readonly keyCount: number;
}

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

/**
 * Reads the outline of a text in linear time and constant stack. Any text may be given.
 *
 * @param keys where given, the keys of the outermost object are added to it, unescaped, in order of appearance;
 *   only for a text that is known to be valid JSON
 */
export function outlineOf(text: string, keys?: string[]): Outline {
  let depth = 0;
  let depthMax = 0;
  let keyCount = 0;
  let stringStart = 0;
  let stringEnd = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      stringStart = i;
      for (i++; i < text.length; i++) {
        const inner = text.charCodeAt(i);
        if (inner === QUOTE) break;
        if (inner === BACKSLASH) i++;
      }
      stringEnd = i + 1;
    } else if (code === COLON) {
      if (depth === 1) {
        keyCount++;
        keys?.push(JSON.parse(text.slice(stringStart, stringEnd)) as string);
      }
    } else if ((code | 0x20) === 0x7b) {
      // "{" and "[" differ from each other by this one bit, as do "}" and "]"
      depth++;
      if (depth > depthMax) depthMax = depth;
    } else if ((code | 0x20) === 0x7d) {
      depth--;
    }
  }
  return { depth: depthMax, keyCount };
}
