import { expect, it } from 'vitest';
import { createLanes } from './lanes.ts';

it('never does more at once than it has places, and gives each place on in the order of asking', async () => {
  const lanes = createLanes({ quick: 2, slow: 1 });
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const work = (key: string) =>
    lanes.run(
      key,
      () => {
        begun.push(key);
        return new Promise<void>((resolve) => ends.push(resolve));
      },
      () => false,
    );

  const all = ['a', 'b', 'c', 'd'].map(work);
  expect(begun).toEqual(['a', 'b']);
  ends[1]?.();
  await all[1];
  expect(begun).toEqual(['a', 'b', 'c']);
  ends[0]?.();
  ends[2]?.();
  await all[2];
  ends[3]?.();
  await Promise.all(all);
  expect(begun).toEqual(['a', 'b', 'c', 'd']);
});

it('lets who held it up wait among its like, until it answers in time again, and is not held by what fails', async () => {
  const lanes = createLanes({ quick: 1, slow: 1 });
  const hung = async (key: string): Promise<void> => void (await lanes.run(key, async () => true, Boolean));
  await hung('x');
  await hung('y');
  let release = (): void => undefined;
  const x = lanes.run('x', () => new Promise<boolean>((resolve) => (release = () => resolve(false))), Boolean);
  const y = lanes.run('y', async () => true, Boolean);

  await expect(
    lanes.run(
      'honest',
      async () => 'done',
      () => false,
    ),
  ).resolves.toBe('done');
  await expect(
    lanes.run(
      'broken',
      () => Promise.reject(new Error('no')),
      () => false,
    ),
  ).rejects.toThrow('no');
  await expect(
    lanes.run(
      'honest',
      async () => 'again',
      () => false,
    ),
  ).resolves.toBe('again');
  release();
  await Promise.all([x, y]);
  // x is trusted again and need not wait for y.
  const blocked = lanes.run('y', () => new Promise<boolean>((resolve) => (release = () => resolve(true))), Boolean);
  await expect(lanes.run('x', async () => false, Boolean)).resolves.toBe(false);
  release();
  await blocked;
});
