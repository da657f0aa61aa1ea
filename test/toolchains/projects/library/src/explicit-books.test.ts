import 'reflect-metadata';
import { registerCaching } from 'cachement/tsyringe';
import { recordingCaching } from 'cachement/testing';
import { container } from 'tsyringe';
import { afterEach, expect, test } from 'vitest';
import { Books } from './explicit-books.js';

const recording = recordingCaching();
registerCaching(container, recording.caching);
afterEach(() => recording.close());

test('Books gets its archive by its token, and reads a book once', async () => {
  const books = container.resolve(Books);
  expect([await books.find('1'), await books.find('1')]).toEqual(['Book 1', 'Book 1']);
  expect(books.archive.reads).toBe(1);
  expect(recording.of('fill').map(({ key }) => key)).toEqual(['Books.find:("1")']);
});
