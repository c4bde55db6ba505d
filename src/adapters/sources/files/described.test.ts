import { expect, it } from 'vitest';
import { createContentsText } from '../contents-text.ts';
import { described, parseDescribed, tells } from './described.ts';

const NAMES = [
  '/plain',
  '/with "quotes" and \\',
  '/new\nline',
  '/","count":7,"checksum":null',
  '/ü 🦊',
  '/\u2028\ud800',
];
const itemOf = (name: string) => ({ name, count: 12, checksum: 'ab', attributes: '0644 0:0' });

it('a line is taken apart as it was put together, whatever a file is called', () => {
  for (const name of NAMES) {
    const line = described('1:2:12:3.5:4', itemOf(name));
    const was = parseDescribed(line);
    expect(was).toMatchObject({ print: '1:2:12:3.5:4', path: name });
    const [one, other] = [createContentsText(), createContentsText()];
    one.add(itemOf(name));
    if (was) other.addText(was.item);
    expect(other.end()).toEqual(one.end());
    expect(JSON.parse(other.end().text)).toEqual([itemOf(name)]);
  }
  const link = { name: '/link', count: 0, checksum: null, attributes: '-> to "here"' };
  expect(parseDescribed(described('1', link))?.item).toMatchObject({
    checksum: 'null',
    attributes: '"-> to \\"here\\""',
  });
});

it('a line tells of a file what its bytes are only where nothing of it is another, and there were bytes to tell of', () => {
  for (const name of NAMES) {
    const line = described('1:2', itemOf(name));
    expect(tells(line, '1:2', name, 12)).toBe(true);
    expect(tells(line, '1:3', name, 12)).toBe(false);
    expect(tells(line, '1:2', `${name}x`, 12)).toBe(false);
    expect(tells(line, '1:2', name, 13)).toBe(false);
    expect(tells(described('1:2', { ...itemOf(name), checksum: null }), '1:2', name, 12)).toBe(false);
  }
});

it('what is no such line is none', () => {
  const line = described('1:2', itemOf('/a'));
  for (const other of ['', 'x', line.slice(1 + '1:2'.length), line.slice(0, -1), `${line}}`, line.replace('12', '-')])
    expect(parseDescribed(other)).toBeUndefined();
});
