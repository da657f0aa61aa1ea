import { Cached } from 'cachement';
import { inject, injectable } from 'tsyringe';
import { Archive } from './archive.js';

@injectable()
export class Books {
  // Injected by the token that stands there, whatever the compiler writes.
  constructor(@inject(Archive) readonly archive: Archive) {}

  @Cached({ ttl: '1m' })
  async find(id: string): Promise<string> {
    return this.archive.read(id);
  }
}
