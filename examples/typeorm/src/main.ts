import 'reflect-metadata';
import { Caching, defineCodec } from 'cachement';
import { ioredis } from 'cachement/ioredis';
import { memory } from 'cachement/memory';
import { DataSource } from 'typeorm';
import { Authors } from './authors.js';
import { Author, Book } from './entities.js';

const url = process.env['REDIS_URL'];
const caching = new Caching({
  adapter: url === undefined ? memory() : ioredis(url),
  namespace: 'example-typeorm',
  defaults: { ttl: '5m' },
  codecs: [defineCodec({ type: Book, name: 'Book' })], // The books of an author.
});
Caching.setDefault(caching);

const database = await new DataSource({
  type: 'sqljs',
  entities: [Author, Book],
  synchronize: true,
}).initialize();
const repository = database.getRepository(Author);
await repository.save({
  id: 1,
  firstName: 'Ursula',
  lastName: 'Le Guin',
  born: new Date('1929-10-21'),
  books: [{ isbn: '978-0-06-051275-6', title: 'The Dispossessed' }],
});

const authors = new Authors(repository);

console.log('one author, twice:');
await authors.find(1);
const author = await authors.find(1);
console.log(author instanceof Author, author?.name, author?.ageIn(1974), author?.books[0]?.cite());

console.log('all authors, twice:');
await authors.all();
for (const one of await authors.all()) console.log(one.name);

console.log('after a save of the cached author:');
author!.lastName = 'Kroeber Le Guin';
await authors.save(author!);
console.log((await authors.find(1))?.name);

console.log('an author that is not there, twice:');
await authors.find(2);
console.log(await authors.find(2));

await database.destroy();
await caching.close();
