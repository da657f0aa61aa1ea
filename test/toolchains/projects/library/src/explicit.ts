import 'reflect-metadata';
import { Books } from './explicit-books.js';
import { run } from './run.js';

void run(Books);
