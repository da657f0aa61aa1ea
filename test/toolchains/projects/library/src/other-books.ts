import { Cached } from 'cachement';
import { inject, injectable } from 'tsyringe';
import { Archive } from './archive.js';

/** Another class of the same name, in a module of its own. */
@injectable()
export class Books {
  constructor(@inject(Archive) readonly archive: Archive) {}

  @Cached({ ttl: '1m' })
  async find(id: string): Promise<string> {
    return this.archive.read(`other ${id}`);
  }
}
