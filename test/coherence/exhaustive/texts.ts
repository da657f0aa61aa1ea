import { Buffer } from 'node:buffer';

const TOKEN = /^[\w-]{16}$/;
/** The record of tag changes has so many bytes of a token. */
const PART_OF_TOKEN = 8;

/** Numbers texts, so that a state is short. Worlds that share it give the same number to the same text. */
export class TextNumbers {
  readonly #numbers = new Map<string, number>();

  of(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) this.#numbers.set(text, (number = this.#numbers.size));
    return number;
  }
}

/**
 * Values of the store's port as texts. Tokens of leases and nonces are random: they are named by the process that has sent them
 * first, and their number there. So two runs that differ in their tokens only have the same texts.
 */
export class PortTexts {
  readonly #names = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  readonly #known = new Map<string, string>();

  /** Names the tokens that a process sends. */
  learn(process: string, args: readonly unknown[]): void {
    for (const arg of args) {
      if (typeof arg !== 'string' || !TOKEN.test(arg) || this.#names.has(arg)) continue;
      const count = (this.#counts.get(process) ?? 0) + 1;
      this.#counts.set(process, count);
      this.#names.set(arg, `<${process}.${count}>`);
    }
  }

  of(value: unknown): string {
    const raw = rawText(value);
    const known = this.#known.get(raw);
    if (known !== undefined) return known;
    let text = raw;
    for (const [token, name] of this.#names) text = text.replaceAll(token, name);
    for (const [token, name] of this.#names) text = text.replaceAll(token.slice(0, PART_OF_TOKEN), name);
    this.#known.set(raw, text);
    return text;
  }
}

function rawText(value: unknown): string {
  if (value instanceof Uint8Array) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1');
  }
  if (value instanceof Map) return rawText([...value]);
  if (Array.isArray(value)) return `[${value.map(rawText).join()}]`;
  if (typeof value === 'object' && value !== null) {
    const parts = Object.entries(value).map(([name, one]) => `${name}:${rawText(one)}`);
    return `{${parts.join()}}`;
  }
  return String(value);
}
