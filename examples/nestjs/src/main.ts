import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import { CachingModule } from 'cachement/nestjs';
import { BooksModule } from './books.js';

const url = process.env['REDIS_URL'];

@Module({
  imports: [
    CachingModule.forRoot({ adapter: url === undefined ? memory() : ioredis(url), namespace: 'nestjs' }),
    BooksModule,
  ],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
await app.listen(Number(process.env['PORT'] ?? 3000));
const { port } = app.getHttpServer().address() as { port: number };
console.log(`listening on http://localhost:${port}`);
// The module closes the Caching with the application.
process.once('SIGTERM', () => void app.close());
