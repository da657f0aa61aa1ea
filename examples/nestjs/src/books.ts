import { Body, Controller, Get, Injectable, Module, Param, Post, Put } from '@nestjs/common';
import { Cached, Invalidates, RateLimited } from 'cachement';

/** Stands for a database, and counts what is read from it. */
@Injectable()
class Db {
  reads = 0;
  readonly #books = new Map([['1', 'Emma']]);

  async title(id: string): Promise<string | undefined> {
    this.reads++;
    return this.#books.get(id);
  }

  async save(id: string, title: string): Promise<void> {
    this.#books.set(id, title);
  }
}

@Injectable()
class Books {
  constructor(private readonly db: Db) {}

  @Cached({ key: 'book:{0}', ttl: '15m' })
  async title(id: string): Promise<string | undefined> {
    return this.db.title(id);
  }

  @Invalidates({ keys: 'book:{0}' })
  async save(id: string, title: string): Promise<void> {
    await this.db.save(id, title);
  }
}

@Controller('books/:id')
class BooksController {
  constructor(
    private readonly books: Books,
    private readonly db: Db,
  ) {}

  @Get()
  async find(@Param('id') id: string) {
    return { title: await this.books.title(id), reads: this.db.reads };
  }

  @Put()
  async save(@Param('id') id: string, @Body() { title }: { title: string }): Promise<void> {
    await this.books.save(id, title);
  }

  @Post('orders')
  @RateLimited({ key: 'order:{0}', limit: 2, per: '1m' })
  async order(@Param('id') _id: string): Promise<string> {
    return 'ordered';
  }
}

@Module({ controllers: [BooksController], providers: [Db, Books] })
export class BooksModule {}
