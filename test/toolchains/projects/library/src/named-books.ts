import { Cached } from 'cachement';
import { inject, injectable } from 'tsyringe';
import { Archive } from './archive.js';

/** Has a name of its own: no build changes its keys. */
@injectable()
export class Books {
  constructor(@inject(Archive) readonly archive: Archive) {}

  @Cached({ name: 'NamedBooks.find', ttl: '1m' })
  async find(id: string): Promise<string> {
    return this.archive.read(`named ${id}`);
  }
}
