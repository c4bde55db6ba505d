import type { HostPort, HostSample } from '../../core/ports/host.ts';
import { FAKE_BOOT } from './fake-processes.ts';

export interface FakeHost extends HostPort {
  change(sample: Partial<HostSample>): void;
  /** Somebody gave back so much memory. */
  free(bytes: number): void;
  /** The machine is started again: another boot id, uptime from zero. */
  reboot(): void;
}

/** A quiet machine of four cores. */
export function fakeHost(): FakeHost {
  let boot = 1;
  let sample: HostSample = {
    cpuPercent: 5,
    load1: 0.2,
    cores: 4,
    memoryTotalBytes: 8 * 1024 ** 3,
    memoryAvailableBytes: 6 * 1024 ** 3,
    disks: [{ mount: '/', device: '/dev/vda1', totalBytes: 100 * 1024 ** 3, freeBytes: 60 * 1024 ** 3 }],
    uptimeSeconds: 3600,
  };
  return {
    sample: async () => sample,
    bootId: async () => FAKE_BOOT.slice(0, -1) + boot,
    change(part) {
      sample = { ...sample, ...part };
    },
    free(bytes) {
      sample = { ...sample, memoryAvailableBytes: sample.memoryAvailableBytes + bytes };
    },
    reboot() {
      boot++;
      sample = { ...sample, uptimeSeconds: 0 };
    },
  };
}
