import { expect, it } from 'vitest';
import { fakeProcesses } from '../../testing/fakes/fake-processes.ts';
import { createMemoryGrowth } from './memory-growth.ts';

const MB = 1024 ** 2;

it('names who grew most within the hour, not who holds most, and all processes of a unit together', async () => {
  const processes = fakeProcesses();
  const huge = processes.start(['/usr/bin/huge'], { container: 'c1', residentBytes: 5_000 * MB });
  const [one, two] = [1, 2].map(() =>
    processes.start(['/usr/bin/shop'], { unit: 'shop.service', unitScope: 'user', residentBytes: 100 * MB }),
  );
  const bare = processes.start(['/usr/bin/bare'], { residentBytes: 10 * MB });
  let minutes = 0;
  const growth = createMemoryGrowth({ list: () => processes.list() }, () => minutes * 60_000);
  expect(await growth.most()).toBeUndefined();
  await growth.sample();

  for (const { pid } of [one, two] as { pid: number }[]) processes.change(pid, { residentBytes: 200 * MB });
  processes.change(bare.pid, { residentBytes: 160 * MB });
  expect(await growth.most()).toEqual({ holder: 'unit:user:shop.service', bytes: 200 * MB });

  processes.change(bare.pid, { residentBytes: 600 * MB });
  expect(await growth.most()).toEqual({ holder: `pid:${bare.pid}`, bytes: 590 * MB });

  // What grew longer ago than an hour is how large it is.
  for (minutes = 1; minutes <= 61; minutes += 1) await growth.sample();
  expect(await growth.most()).toBeUndefined();
  processes.change(huge.pid, { residentBytes: 5_001 * MB });
  expect(await growth.most()).toEqual({ holder: 'container:c1', bytes: MB });
});
