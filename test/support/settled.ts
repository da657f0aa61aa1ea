/** Resolves when all that needs no time and no input has run: every promise chain that waits for promises only. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
