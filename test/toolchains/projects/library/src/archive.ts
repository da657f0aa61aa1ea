import { injectable } from 'tsyringe';

/** In place of a database. */
@injectable()
export class Archive {
  reads = 0;

  read(id: string): string {
    this.reads++;
    return `Book ${id}`;
  }
}
