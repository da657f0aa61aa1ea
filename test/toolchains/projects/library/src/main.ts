import 'reflect-metadata';
import { Books } from './books.js';
import { run } from './run.js';

void run(Books);
