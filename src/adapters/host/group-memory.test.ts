import { expect, it } from 'vitest';
import { groupMemoryOf } from './group-memory.ts';

const files = (content: Record<string, string>) => (path: string) => content[path];

it('reads the limit of the group of a process in either version of control groups, cached files left out', () => {
  const expected = { limitBytes: 500_000, usedBytes: 200_000 };
  const v2 = {
    '/proc/7/cgroup': '0::/docker/abc\n',
    '/sys/fs/cgroup/docker/abc/memory.max': '500000\n',
    '/sys/fs/cgroup/docker/abc/memory.current': '300000\n',
    '/sys/fs/cgroup/docker/abc/memory.stat': 'anon 1\ninactive_file 100000\n',
  };
  expect(groupMemoryOf(7, files(v2))).toEqual(expected);
  const v1 = {
    '/proc/7/cgroup': '9:name=systemd:/docker/abc\n4:cpu,memory:/docker/abc\n0::/docker/other\n',
    '/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes': '500000\n',
    '/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes': '300000\n',
    '/sys/fs/cgroup/memory/docker/abc/memory.stat': 'total_inactive_file 100000\n',
  };
  expect(groupMemoryOf(7, files(v1))).toEqual(expected);
});

it('gives nothing for a group without a limit, and for one that cannot be seen', () => {
  const read = files({
    '/proc/7/cgroup': '4:memory:/free\n',
    '/sys/fs/cgroup/memory/free/memory.limit_in_bytes': '9223372036854771712\n',
    '/proc/8/cgroup': '0::/elsewhere\n',
  });
  for (const pid of [7, 8, 9]) expect(groupMemoryOf(pid, read)).toBeUndefined();
});
