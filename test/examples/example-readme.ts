/** What the README of an example says: the calls to its server, and what is printed. */
export interface ExampleReadme {
  /** Shell commands, in their order. Empty if the example is a program and no server. */
  readonly calls: readonly string[];
  /** What each call prints. Of a program: what it prints. */
  readonly prints: readonly string[];
}

const START = 'npm install\nnpm start\n';

/**
 * Reads the blocks of a README. The first is `npm install`, `npm start`. A `text` block below it is what the program
 * prints. Otherwise it starts a server, and every `sh` block with `curl` has a `text` block below it. Other blocks are
 * ignored.
 *
 * @throws Error if a block is missing
 */
export function readExampleReadme(readme: string): ExampleReadme {
  const blocks = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({
    language: language!,
    text: text!,
  }));
  const [start] = blocks;
  if (start?.language !== 'sh' || start.text !== START) {
    throw new Error('The first block of the README of an example is sh: npm install, npm start.');
  }
  const printed = blocks.flatMap((block, i) => {
    const next = blocks[i + 1];
    if (next?.language === 'text') return block.language === 'sh' ? [{ ...block, prints: next.text }] : [];
    if (block.language !== 'sh' || !/\bcurl\b/.test(block.text)) return [];
    throw new Error(`A text block must follow the calls:\n${block.text}`);
  });
  if (printed.length === 0) {
    throw new Error('The README of an example shows calls with curl, or what the program prints.');
  }
  return {
    calls: printed.map(({ text }) => text).filter((text) => text !== START),
    prints: printed.map(({ prints }) => prints),
  };
}
