import { Module } from '@nestjs/common';
import { memory } from 'cachement/memory';
import { CachingModule } from 'cachement/nestjs';
import { Archive } from './archive';
import { BooksController } from './books.controller';
import { BooksService } from './books.service';

@Module({
  imports: [CachingModule.forRoot({ adapter: memory(), namespace: 'shop' })],
  controllers: [BooksController],
  providers: [Archive, BooksService],
})
export class AppModule {}
