import { Injectable } from '@nestjs/common';
import { Cached, currentLease, Invalidates, Locked, RateLimited } from 'cachement';
import { Archive, type Book } from './archive';

@Injectable()
export class BooksService {
  // Injected by the types that the compiler writes: emitDecoratorMetadata.
  constructor(private readonly archive: Archive) {}

  // The machine of a test may be busy: no call is to give up its store.
  @Cached({ ttl: '1m', storeTimeout: '10s', tags: (book) => [`book:${book.id}`] })
  async find(id: string): Promise<Book> {
    return this.archive.read(id);
  }

  @Invalidates({ tags: (_result, book) => [`book:${book.id}`] })
  async save(book: Book): Promise<void> {
    this.archive.write(book);
  }

  @RateLimited({ key: 'order:{0}', limit: 2, per: '1m', storeTimeout: '10s' })
  async order(customer: string): Promise<string> {
    return `ordered by ${customer}`;
  }

  @Locked({ key: 'stock:{0}', lease: '30s', wait: '10s' })
  async count(id: string): Promise<readonly string[]> {
    return currentLease().keys;
  }
}
