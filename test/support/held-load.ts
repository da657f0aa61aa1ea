import { deferred } from './deferred.js';

/** A row of a database. */
export class Row {
  version = 1;

  write(): number {
    return ++this.version;
  }

  /** A loader that reads at once. */
  readonly load = async (): Promise<number> => this.version;
}

/** A loader that reads the row when it is called, and resolves or rejects when the test decides. */
export class HeldLoad {
  readonly #row: Row;
  readonly #entered = deferred();
  readonly #gate = deferred();
  runs = 0;

  constructor(row: Row) {
    this.#row = row;
  }

  readonly run = async (): Promise<number> => {
    this.runs++;
    const { version } = this.#row;
    this.#entered.resolve();
    await this.#gate.promise;
    return version;
  };

  /** Resolves once the loader has read the row. */
  get entered(): Promise<void> {
    return this.#entered.promise;
  }

  finish(): void {
    this.#gate.resolve();
  }

  fail(error: Error): void {
    this.#gate.reject(error);
  }
}
