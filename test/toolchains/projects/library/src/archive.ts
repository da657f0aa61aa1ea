import { injectable } from 'tsyringe';

/** Stands for a database. */
@injectable()
export class Archive {
  reads = 0;

  read(id: string): string {
    this.reads++;
    return `Book ${id}`;
  }
}
