import { expect, it } from 'vitest';
import { duplicatesOf, type IndexShape } from './duplicates.ts';

const index = (name: string, columns: string[], more: Partial<IndexShape> = {}): IndexShape => ({
  table: 'orders',
  name,
  unique: false,
  columns,
  kind: 'btree',
  constraint: false,
  ...more,
});
const told = (...indexes: IndexShape[]): string[] =>
  [...duplicatesOf(indexes)].map(([{ name }, by]) => `${name} < ${by}`);

it('tells an index whose columns another one begins with', () => {
  expect(told(index('a', ['customer']), index('ab', ['customer', 'at']), index('b', ['at']))).toEqual(['a < ab']);
});

it('keeps one of two that are alike: the constraint, or the first by name', () => {
  expect(told(index('z', ['at']), index('y', ['at']))).toEqual(['z < y']);
  expect(told(index('a', ['id']), index('PRIMARY', ['id'], { unique: true, constraint: true }))).toEqual([
    'a < PRIMARY',
  ]);
});

it('keeps what makes rows unique, unless another one makes the same unique', () => {
  expect(told(index('u', ['mail'], { unique: true }), index('ub', ['mail', 'at']))).toEqual([]);
  expect(told(index('u', ['mail'], { unique: true }), index('a', ['mail']))).toEqual(['a < u']);
  expect(told(index('u', ['mail'], { unique: true }), index('v', ['mail'], { unique: true }))).toEqual(['v < u']);
});

it('takes no index of another table, another kind or another order for the same', () => {
  expect(told(index('a', ['at']), index('b', ['at'], { table: 'lines' }))).toEqual([]);
  expect(told(index('a', ['at']), index('b', ['at'], { kind: 'fulltext' }))).toEqual([]);
  expect(told(index('a', ['at']), index('b', ['at desc', 'id']))).toEqual([]);
  expect(told(index('a', ['name(10)']), index('b', ['name']))).toEqual([]);
});

it('keeps of two that are alike the one that is used, and what carries more than the other', () => {
  expect(told(index('a', ['at'], { scans: 3 }), index('b', ['at'], { scans: 9 }))).toEqual(['a < b']);
  expect(told(index('a', ['at'], { scans: 3, constraint: true }), index('b', ['at'], { scans: 9 }))).toEqual(['b < a']);
  const carries = index('c', ['at asc'], { holds: ['at', 'total'] });
  expect(told(index('a', ['at asc'], { holds: ['at'] }), carries)).toEqual(['a < c']);
  expect(told(carries, index('b', ['at asc', 'total asc'], { holds: ['at', 'total'] }))).toEqual(['c < b']);
  expect(told(carries, index('d', ['at asc', 'id asc'], { holds: ['at', 'id'] }))).toEqual([]);
});
