import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { LONGEST } from './longest-first.ts';

it('begins first only what is there', () => {
  const root = resolve(import.meta.dirname, '../..');
  expect(LONGEST.filter((path) => !existsSync(resolve(root, path)))).toEqual([]);
});
