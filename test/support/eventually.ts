const PAUSE_MS = 10;

/**
 * Asks again and again until the answer is neither undefined nor false, and gives that answer. For what
 * happens in another process; whatever this process does should be awaited itself. Throws after `limitMs`, 20
 * seconds by default.
 */
export async function eventually<Answer>(
  what: string,
  ask: () => Promise<Answer | undefined | false> | Answer | undefined | false,
  limitMs = 20_000,
): Promise<Answer> {
  const end = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`Expected within ${limitMs / 1_000} s: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
