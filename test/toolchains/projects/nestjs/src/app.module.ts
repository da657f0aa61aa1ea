import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { Archive } from './archive';
import { BooksController } from './books.controller';
import { BooksService } from './books.service';
import { CachingModule } from './caching.module';
import { RefusalFilter } from './refusal.filter';

@Module({
  imports: [CachingModule],
  controllers: [BooksController],
  providers: [Archive, BooksService, { provide: APP_FILTER, useClass: RefusalFilter }],
})
export class AppModule {}
