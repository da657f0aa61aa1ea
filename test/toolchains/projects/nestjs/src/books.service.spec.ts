import { Test, type TestingModule } from '@nestjs/testing';
import { RateLimitExceededError, withCaching } from 'cachement';
import { recordingCaching } from 'cachement/testing';
import { AppModule } from './app.module';
import { Archive } from './archive';
import { BooksService } from './books.service';

describe('BooksService', () => {
  let module: TestingModule;
  let books: BooksService;

  beforeEach(async () => {
    module = await Test.createTestingModule({ imports: [AppModule] }).compile();
    books = module.get(BooksService);
  });

  afterEach(() => module.close());

  it('reads a book once, and again after a save', async () => {
    await books.find('1');
    await books.find('1');
    expect(module.get(Archive).reads).toBe(1);
    await books.save({ id: '1', title: 'Emma' });
    expect(await books.find('1')).toEqual({ id: '1', title: 'Emma' });
  });

  it('takes two orders a minute', async () => {
    const recording = recordingCaching();
    await withCaching(recording.caching, async () => {
      await books.order('Ada');
      await books.order('Ada');
      await expect(books.order('Ada')).rejects.toThrow(RateLimitExceededError);
    });
    await recording.close();
  });

  it('counts the stock under a lock', async () => {
    expect(await books.count('7')).toEqual(['stock:7']);
  });

  it('has default keys with the names of class and method', async () => {
    const recording = recordingCaching();
    await withCaching(recording.caching, () => books.find('1'));
    expect(recording.of('fill').map(({ key }) => key)).toEqual(['BooksService.find:("1")']);
    await recording.close();
  });
});
