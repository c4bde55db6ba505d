import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { type Lookup, addressFor, createNames } from './names.ts';

const all = (lookup: Lookup, name: string, family?: number): Promise<unknown> =>
  promisify((done: (error: Error | null, answer?: unknown) => void) =>
    lookup(name, { all: true, ...(family && { family }) }, (error, addresses) => done(error, addresses)),
  )();

it('answers as the system does, for one family where one is asked for, and leaves addresses as they are', async () => {
  const names = createNames();
  expect(await all(names, 'localhost')).toContainEqual({ address: '127.0.0.1', family: 4 });
  expect(await all(names, 'localhost', 4)).toEqual([{ address: '127.0.0.1', family: 4 }]);
  expect(await addressFor(names, 'localhost')).toMatch(/^(127\.0\.0\.1|::1)$/);
  expect(await addressFor(names, '192.0.2.1')).toBe('192.0.2.1');
  expect(await addressFor(names, '/run/postgresql')).toBe('/run/postgresql');
  await expect(all(names, 'no-such-name.invalid')).rejects.toMatchObject({ code: expect.stringMatching(/^E/) });
});
