import 'reflect-metadata';
import { Books } from './explicit-books.js';
import { Books as NamedBooks } from './named-books.js';
import { Books as OtherBooks } from './other-books.js';
import { run } from './run.js';

void run(Books, OtherBooks, NamedBooks);
