import { Body, Controller, Get, Param, Post, Put } from '@nestjs/common';
import { Archive, type Book } from './archive';
import { BooksService } from './books.service';

@Controller('books')
export class BooksController {
  constructor(
    private readonly books: BooksService,
    private readonly archive: Archive,
  ) {}

  @Get(':id')
  async find(@Param('id') id: string): Promise<{ readonly book: Book; readonly reads: number }> {
    const book = await this.books.find(id);
    return { book, reads: this.archive.reads };
  }

  @Put(':id')
  async save(@Param('id') id: string, @Body() { title }: { title: string }): Promise<void> {
    await this.books.save({ id, title });
  }

  @Post('orders/:customer')
  order(@Param('customer') customer: string): Promise<string> {
    return this.books.order(customer);
  }

  @Get(':id/stock')
  count(@Param('id') id: string): Promise<readonly string[]> {
    return this.books.count(id);
  }
}
