/**
 * One process of a benchmark: `node member.js <file of the question> <file of the library>`. The question says what
 * such a process can be asked to do; the library is opened when the parent says so.
 */
import process from 'node:process';
import { callsWith } from './calls.js';

const [, , question, library] = process.argv;
const { member } = await import(question);
const handlers = {};
const call = callsWith(process, handlers);
Object.assign(handlers, member(await import(library), call));
process.on('disconnect', () => process.exit());
process.send('ready');
