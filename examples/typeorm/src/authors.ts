import { Cached, Invalidates } from 'cachement';
import type { Repository } from 'typeorm';
import { Author } from './entities.js';

export class Authors {
  constructor(private readonly repository: Repository<Author>) {}

  @Cached({ key: 'author:{0}', revive: Author })
  async find(id: number): Promise<Author | null> {
    console.log(`  (reads author ${id})`);
    return this.repository.findOne({ where: { id }, relations: { books: true } });
  }

  @Cached({ key: 'authors', tags: 'authors', revive: Author })
  async all(): Promise<Author[]> {
    console.log('  (reads all authors)');
    return this.repository.find({ order: { id: 'ASC' } });
  }

  @Invalidates({ keys: 'author:{0.id}', tags: 'authors' })
  async save(author: Author): Promise<void> {
    await this.repository.save(author);
  }
}
