import test from 'ava';
import { readExampleReadme } from './example-readme.js';

const block = (language: string, text: string) => `\`\`\`${language}\n${text}\n\`\`\`\n\n`;
const START = block('sh', 'npm install\nnpm start');

test('the README of a server has calls, and what each prints', (t) => {
  const readme = `${START}On Redis:\n${block('sh', 'REDIS_URL=redis://localhost npm start')}
${block('sh', 'curl localhost:3000/a\ncurl localhost:3000/b')}${block('text', 'A\nB')}
${block('sh', 'curl localhost:3000/c')}${block('text', 'C')}`;
  t.deepEqual(readExampleReadme(readme), {
    calls: ['curl localhost:3000/a\ncurl localhost:3000/b\n', 'curl localhost:3000/c\n'],
    prints: ['A\nB\n', 'C\n'],
  });
});

test('the README of a program has what it prints', (t) => {
  t.deepEqual(readExampleReadme(START + block('text', 'Ada')), { calls: [], prints: ['Ada\n'] });
});

test('a README that would leave something untested is refused', (t) => {
  const call = block('sh', 'curl localhost:3000/a');
  t.throws(() => readExampleReadme(block('sh', 'npm start') + call + block('text', 'A')), {
    message: /first block/,
  });
  t.throws(() => readExampleReadme(START + call + call + block('text', 'A')), { message: /must follow/ });
  t.throws(() => readExampleReadme(START), { message: /shows calls/ });
});
