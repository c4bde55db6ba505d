import { defined } from '../../testing/defined.ts';
import { describe, expect, it } from 'vitest';
import { cpuPercent, parseCpu } from './cpu.ts';
import { parseMounts } from './disks.ts';
import { createHost } from './index.ts';
import { readMemory } from './memory.ts';

describe('cpu', () => {
  it('is the busy share between two readings, waiting for disks not included', () => {
    const before = defined(parseCpu('cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\n'));
    const after = defined(parseCpu('cpu  150 0 125 800 125 0 0 0 50 0\n'));

    expect(cpuPercent(before, after)).toBeCloseTo(37.5);
    expect(cpuPercent(after, after)).toBe(0);
  });
});

describe('memory', () => {
  const meminfo = 'MemTotal:       1000 kB\nMemFree: 100 kB\nMemAvailable:    600 kB\n';
  const files = (more: Record<string, string>) => (path: string) => ({ '/proc/meminfo': meminfo, ...more })[path];

  it("is the machine's where no limit is visible", () => {
    expect(readMemory(files({}))).toEqual({ totalBytes: 1_024_000, availableBytes: 614_400 });
    expect(readMemory(files({ '/sys/fs/cgroup/memory.max': 'max\n' }))).toEqual({
      totalBytes: 1_024_000,
      availableBytes: 614_400,
    });
    expect(readMemory(files({ '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n' }))).toEqual({
      totalBytes: 1_024_000,
      availableBytes: 614_400,
    });
  });

  it("is the container's where it has a limit, droppable cache counted as free", () => {
    const v2 = files({
      '/sys/fs/cgroup/memory.max': '500000\n',
      '/sys/fs/cgroup/memory.current': '300000\n',
      '/sys/fs/cgroup/memory.stat': 'anon 1\ninactive_file 100000\n',
    });
    const v1 = files({
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '500000\n',
      '/sys/fs/cgroup/memory/memory.usage_in_bytes': '300000\n',
      '/sys/fs/cgroup/memory/memory.stat': 'total_inactive_file 100000\n',
    });

    expect(readMemory(v2)).toEqual({ totalBytes: 500_000, availableBytes: 300_000 });
    expect(readMemory(v1)).toEqual({ totalBytes: 500_000, availableBytes: 300_000 });
  });
});

describe('disks', () => {
  it('are real ones, each once', () => {
    const mounts =
      '/dev/vda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\ntmpfs /run tmpfs rw 0 0\n/dev/vdb /my\\040data xfs rw 0 0\n/dev/vda1 /bind ext4 rw 0 0\nserver:/x /net nfs4 rw 0 0\noverlay /var/lib/docker/overlay2/x overlay rw 0 0\n';

    expect(parseMounts(mounts)).toEqual([
      { device: '/dev/vda1', mount: '/' },
      { device: '/dev/vdb', mount: '/my data' },
    ]);
    expect(parseMounts('overlay / overlay rw 0 0\n')).toEqual([{ device: 'overlay', mount: '/' }]);
  });
});

describe('this machine', () => {
  it('is measured', async () => {
    const host = createHost();

    const sample = await host.sample();

    expect(sample.cpuPercent).toBeGreaterThanOrEqual(0);
    expect(sample.cpuPercent).toBeLessThanOrEqual(100);
    expect(sample.memoryAvailableBytes).toBeGreaterThan(0);
    expect(sample.memoryTotalBytes).toBeGreaterThan(sample.memoryAvailableBytes);
    expect(sample.uptimeSeconds).toBeGreaterThan(0);
    expect(await host.bootId()).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('is busy while it computes', async () => {
    const host = createHost();
    await host.sample();
    for (const end = performance.now() + 300; performance.now() < end;);

    expect((await host.sample()).cpuPercent).toBeGreaterThan(5);
  });
});
