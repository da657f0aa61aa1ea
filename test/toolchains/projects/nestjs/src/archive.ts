import { Injectable } from '@nestjs/common';

export interface Book {
  readonly id: string;
  readonly title: string;
}

/** In place of a database. */
@Injectable()
export class Archive {
  reads = 0;
  readonly #titles = new Map<string, string>();

  read(id: string): Book {
    this.reads++;
    return { id, title: this.#titles.get(id) ?? `Book ${id}` };
  }

  write({ id, title }: Book): void {
    this.#titles.set(id, title);
  }
}
