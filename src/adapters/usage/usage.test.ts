import { describe, expect, it } from 'vitest';
import type { ProcessStat } from '../procfs/stat.ts';
import { outermost, placeOf, readGroup } from './group-usage.ts';
import { createMainBook } from './main-book.ts';
import { cpuSecondsOf, familyOf } from './process-usage.ts';

const ID = 'ab'.repeat(32);

describe('the place of a control group', () => {
  it('is one path on version 2, and one for each controller on version 1', () => {
    expect(placeOf('0::/system.slice/nginx.service\n')).toEqual({ version: 2, path: '/system.slice/nginx.service' });
    expect(placeOf(`8:pids:/\n4:memory:/docker/${ID}\n2:cpu,cpuacct:/docker/${ID}\n0::/\n`)).toEqual({
      version: 1,
      cpu: `/docker/${ID}`,
      memory: `/docker/${ID}`,
    });
  });

  it('is nowhere for what is in the root group, or outside of what this namespace shows', () => {
    expect(placeOf('0::/\n')).toBeUndefined();
    expect(placeOf('0::/../../system.slice/nginx.service\n')).toBeUndefined();
    expect(placeOf('4:memory:/\n2:cpuacct:/\n0::/\n')).toBeUndefined();
    expect(placeOf('')).toBeUndefined();
  });

  it('is that of the whole, not of a part that a container or a unit made below', () => {
    const text = `0::/system.slice/docker-${ID}.scope/init.scope\n`;
    expect(outermost(text, (name) => name.includes(ID))).toBe(`0::/system.slice/docker-${ID}.scope\n`);
    expect(outermost('0::/system.slice/a.service\n', () => false)).toBe('0::/system.slice/a.service\n');
  });
});

// As Linux 6.1 writes them on a machine with control groups of version 2, shortened; this says nothing of how they grow.
const V2: Readonly<Record<string, string>> = {
  'cpu.stat': 'usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 0\n',
  'memory.current': '50331648\n',
  'memory.stat': 'anon 20971520\nfile 29360128\ninactive_anon 0\ninactive_file 10485760\nactive_file 18874368\n',
};
// Of version 1, where only the total_ lines count what is below.
const V1: Readonly<Record<string, string>> = {
  '/sys/fs/cgroup/cpuacct/docker/x/cpuacct.usage': '1500000000\n',
  '/sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes': '3000000\n',
  '/sys/fs/cgroup/memory/docker/x/memory.stat': 'inactive_file 0\ntotal_inactive_file 1000000\n',
};

describe('a control group', () => {
  it('tells its time of cores, and its memory without cached files that it would give back', () => {
    const read = (path: string): string | undefined => V2[path.replace('/sys/fs/cgroup/system.slice/a.service/', '')];
    const place = { version: 2, path: '/system.slice/a.service' } as const;
    expect(readGroup(place, read)).toEqual({ cpuSeconds: 2.5, memoryBytes: 50_331_648 - 10_485_760 });
    expect(readGroup({ version: 1, cpu: '/docker/x', memory: '/docker/x' }, (path) => V1[path])).toEqual({
      cpuSeconds: 1.5,
      memoryBytes: 2_000_000,
    });
  });

  it('that is gone, or does not account for memory, tells nothing', () => {
    const place = { version: 2, path: '/a.service' } as const;
    expect(readGroup(place, () => undefined)).toBeUndefined();
    expect(readGroup(place, (path) => (path.endsWith('cpu.stat') ? V2['cpu.stat'] : undefined))).toBeUndefined();
  });
});

const stat = (pid: number, startTicks: number, more: Partial<ProcessStat> = {}): ProcessStat => ({
  pid,
  command: 'x',
  state: 'S',
  parent: 1,
  group: pid,
  session: pid,
  kernelThread: false,
  cpuTicks: 100,
  endedTicks: 0,
  startTicks,
  ...more,
});

describe('a restart', () => {
  it('is told when the main process is another one, once, and not because discovery names another main process', () => {
    let living = [stat(10, 100), stat(11, 110)];
    const book = createMainBook((pid) => living.find((each) => each.pid === pid));
    const lives = (preferred?: number): boolean => book.lives('a', preferred, () => living);

    expect([lives(10), book.restarts('a')]).toEqual([true, 0]);
    expect([lives(11), book.restarts('a')]).toEqual([true, 0]);

    living = [];
    expect([lives(11), book.restarts('a')]).toEqual([false, 0]);
    living = [stat(21, 210), stat(20, 200)];
    expect([lives(11), book.restarts('a')]).toEqual([true, 1]);
    // Discovery learns later what it is now.
    expect([lives(20), book.restarts('a')]).toEqual([true, 1]);
    // Another process with the number of the old one.
    living = [stat(20, 999)];
    expect([lives(20), book.restarts('a')]).toEqual([true, 2]);
    // It ended, and nobody waited for it.
    living = [stat(20, 999, { state: 'Z' })];
    expect(lives(20)).toBe(false);

    book.keepOnly([]);
    living = [stat(30, 1_000)];
    expect([lives(30), book.restarts('a')]).toEqual([true, 0]);
  });
});

describe('a family of processes', () => {
  const all = [
    stat(10, 100, { endedTicks: 50 }),
    stat(11, 110, { parent: 10 }),
    stat(12, 120, { parent: 11 }),
    stat(13, 130, { parent: 10 }),
    stat(99, 100),
  ];
  const tree = {
    byPid: new Map(all.map((each) => [each.pid, each])),
    children: Map.groupBy(all, ({ parent }) => parent),
  };

  it('is what the service began, but for what is a service of its own, each once', () => {
    const family = familyOf([10, 11, 404], tree, (pid) => pid === 13);
    expect(family.map(({ pid }) => pid).toSorted()).toEqual([10, 11, 12]);
    expect(cpuSecondsOf(family)).toBe(3.5);
  });
});
