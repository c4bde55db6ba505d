import { existsSync } from 'node:fs';
import type { DiskSpace } from '../../core/ports/gauges.ts';
import { type Meter, type Reading, reading } from '../../core/metric.ts';
import { type Mount, parseMounts, spaceOf } from '../host/disks.ts';
import { readMemory } from '../host/memory.ts';
import { namesProc, readProc } from '../procfs/read.ts';
import { cpuReadings, pressureReadings } from './cpu.ts';
import { diskReadings, networkReadings, temperatureReadings } from './devices.ts';

export interface HostMeterPlaces {
  readonly proc?: string;
  readonly sys?: string;
  readonly space?: (path: string, mount: Mount) => Promise<DiskSpace>;
}

/** The machine, from files of the kernel: /proc and /sys, or what was recorded of them elsewhere. */
export function createHostMeter({ proc = '/proc', sys = '/sys', space = spaceOf }: HostMeterPlaces = {}): Meter {
  const read = (path: string): string => readProc(`${proc}/${path}`) ?? '';
  const moved = (path: string): string | undefined =>
    readProc(path.replace(/^\/proc(?=\/)/, proc).replace(/^\/sys(?=\/)/, sys));
  return {
    async read() {
      const found = await Promise.all(
        parseMounts(read('self/mounts')).map((mount) =>
          // Unmounted meanwhile, or below a folder this user may not enter.
          space(mount.mount, mount).then(filesystemReadings, () => []),
        ),
      );
      return [
        ...cpuReadings(read('stat')),
        ...loadReadings(read('loadavg')),
        ...memoryReadings(read('meminfo'), moved),
        ...pressureReadings((resource) => readProc(`${proc}/pressure/${resource}`)),
        ...found.flat(),
        ...diskReadings(read('diskstats'), (device) => existsSync(`${sys}/block/${device}`)),
        ...networkReadings(read('net/dev')),
        ...temperatureReadings(sys, { read: readProc, names: (path) => namesProc(path) ?? [] }),
      ];
    },
  };
}

function filesystemReadings({ mount, device, totalBytes, freeBytes, totalInodes, freeInodes }: DiskSpace): Reading[] {
  if (totalBytes === 0) return [];
  const labels = { mount, device };
  return [
    reading('steward_host_filesystem_bytes', totalBytes, labels),
    reading('steward_host_filesystem_free_bytes', freeBytes, labels),
    ...(totalInodes > 0
      ? [
          reading('steward_host_filesystem_inodes', totalInodes, labels),
          reading('steward_host_filesystem_inodes_free', freeInodes, labels),
        ]
      : []),
  ];
}

function loadReadings(text: string): Reading[] {
  const loads = text.split(' ').slice(0, 3).map(Number);
  const names = ['steward_host_load1', 'steward_host_load5', 'steward_host_load15'] as const;
  return text === '' ? [] : names.map((name, index) => reading(name, loads[index] ?? 0));
}

function memoryReadings(text: string, moved: (path: string) => string | undefined): Reading[] {
  if (text === '') return [];
  const { totalBytes, availableBytes } = readMemory(moved);
  const bytes = (name: string): number => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1_024;
  return [
    reading('steward_host_memory_bytes', totalBytes),
    reading('steward_host_memory_available_bytes', availableBytes),
    reading('steward_host_swap_bytes', bytes('SwapTotal')),
    reading('steward_host_swap_free_bytes', bytes('SwapFree')),
  ];
}
