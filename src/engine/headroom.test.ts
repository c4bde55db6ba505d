import { describe, expect, it } from 'vitest';
import type { HostSample } from '../core/ports/host.ts';
import { memoryLog } from '../testing/log.ts';
import { createHeadroom, type HeadroomOptions } from './headroom.ts';

const GB = 1024 ** 3;
const quiet: HostSample = {
  cpuPercent: 10,
  load1: 0,
  cores: 2,
  memoryTotalBytes: 8 * GB,
  memoryAvailableBytes: 4 * GB,
  disks: [],
  uptimeSeconds: 1,
};

/** A machine that is each of these in turn, and stays the last one. */
function machine(samples: readonly Partial<HostSample>[], options: Partial<HeadroomOptions> = {}) {
  let looks = 0;
  const log = memoryLog();
  const said: string[] = [];
  const headroom = createHeadroom({
    host: {
      sample: async () => ({ ...quiet, ...samples[Math.min(looks++, samples.length - 1)] }),
    },
    log,
    lookEveryMs: 1,
    ...options,
  });
  return {
    log,
    said,
    looks: () => looks,
    wait: (load: 'cpu' | 'io', signal = new AbortController().signal) =>
      headroom({ load, partition: 'db', told: (reason) => said.push(reason) }, signal),
  };
}

describe('headroom', () => {
  it('is there at once on a machine that has room', async () => {
    const { wait, log, said } = machine([quiet]);
    await wait('cpu');
    await wait('io');
    expect([log.lines, said]).toEqual([[], []]);
  });

  it('lets what computes wait while the CPU is more than 80 % busy, and says so once in the log', async () => {
    const { wait, log, said, looks } = machine([
      { cpuPercent: 5 },
      { cpuPercent: 95 },
      { cpuPercent: 81 },
      { cpuPercent: 80 },
    ]);
    await wait('cpu');
    expect(looks()).toBe(4);
    expect(log.lines).toMatchObject([{ level: 'info', message: 'heavy work waits for the machine' }]);
    expect(said).toEqual([
      'Waits at most 5m: the CPU is 95 % busy, and heavy work begins below 80 %.',
      'Waits at most 5m: the CPU is 81 % busy, and heavy work begins below 80 %.',
    ]);
  });

  it('does not let what reads and writes disks wait for the CPU', async () => {
    const { wait, said } = machine([{ cpuPercent: 100 }]);
    await wait('io');
    expect(said).toEqual([]);
  });

  it('lets every heavy work wait while there is less memory than one program may use', async () => {
    const { wait, said } = machine([{ memoryAvailableBytes: 0.3 * GB }, { memoryAvailableBytes: GB }]);
    await wait('io');
    expect(said).toEqual(['Waits at most 5m: 307 MB of memory are available, and heavy work begins with 512 MB.']);
  });

  it('asks a small machine for no more than a quarter of what it has', async () => {
    const { wait, said } = machine([{ memoryTotalBytes: GB, memoryAvailableBytes: 0.3 * GB }]);
    await wait('io');
    expect(said).toEqual([]);
  });

  it('begins all the same when it has waited for long enough, with a warning', async () => {
    const { wait, log } = machine([{ cpuPercent: 100 }], { atMostMs: 5 });
    await wait('cpu');
    expect(log.lines.at(-1)).toMatchObject({
      level: 'warn',
      message: 'heavy work begins though the machine is short',
      fields: { reason: 'the CPU is 100 % busy, and heavy work begins below 80 %' },
    });
  });

  it('ends when whoever waits is stopped', async () => {
    const stop = new AbortController();
    const { wait } = machine([{ cpuPercent: 100 }], { lookEveryMs: 60_000 });
    const computing = wait('cpu', stop.signal);
    stop.abort();
    await expect(computing).rejects.toMatchObject({ name: 'AbortError' });
  });
});
