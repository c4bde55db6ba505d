import type { HealthPort, HealthThresholds, WatchedService } from '../../core/ports/health.ts';

export interface FakeHealth extends HealthPort {
  watch(service: WatchedService): void;
  limit(thresholds: Partial<HealthThresholds>): void;
  addLogFile(path: string, bytes: number): void;
}

/** Monitoring as the fake machine has it; the limits as they ship. */
export function fakeHealth(): FakeHealth {
  const services: WatchedService[] = [];
  const logs: { path: string; bytes: number }[] = [];
  let thresholds: HealthThresholds = {
    criticalFailures: 5,
    renewalDays: 30,
    cpuPercent: 90,
    memoryPercent: 80,
    diskPercent: 85,
    loadPerCore: 1.5,
    logBytes: 1024 ** 3,
  };
  return {
    thresholds: async () => thresholds,
    services: async () => [...services],
    logFiles: async () => logs.toSorted((a, b) => b.bytes - a.bytes),
    watch: (service) => void services.push(service),
    limit: (given) => void (thresholds = { ...thresholds, ...given }),
    addLogFile: (path, bytes) => void logs.push({ path, bytes }),
  };
}
