import { expect, test } from 'vitest';
import { report } from './plain.js';

test('a decorated method without a container reads a magazine once', async () => {
  expect(await report()).toEqual({ reads: [1], keys: ['Magazines.find:("1")'], warnings: [], errors: [] });
});
