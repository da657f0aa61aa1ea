import { Cached } from 'cachement';
import { injectable } from 'tsyringe';
import { Archive } from './archive.js';

@injectable()
export class Books {
  // Injected by its type, where the compiler writes types of parameters.
  constructor(readonly archive: Archive) {}

  @Cached({ ttl: '1m' })
  async find(id: string): Promise<string> {
    return this.archive.read(id);
  }
}
