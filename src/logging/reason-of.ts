/** What was thrown, in words. Whatever is no Error is said as it is. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
