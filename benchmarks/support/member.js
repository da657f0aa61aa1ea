/**
 * One process of a benchmark: `node member.js <file of the question> [<file of the library>]`. The question defines
 * the calls that such a process answers; it opens the library when the parent asks for it.
 */
import process from 'node:process';
import { callsWith } from './calls.js';
import { startProfile, stopProfile } from './profile.js';

const [, , question, library] = process.argv;
const { member } = await import(question);
const handlers = {};
const call = callsWith(process, handlers);
Object.assign(handlers, member(library === undefined ? undefined : await import(library), call), {
  startProfile,
  stopProfile,
});
process.on('disconnect', () => process.exit());
process.send('ready');
