import { report } from './plain.js';

void report().then((read) => console.log(JSON.stringify(read)));
