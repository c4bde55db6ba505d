import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Meter, reading } from '../../core/metric.ts';

/** Each waking costs a little, for as long as Steward lives. */
const EVERY_MS = 100;
/** Who reads more often is told the same again: one reader must not take from another what it looks for. */
const WINDOW_MS = 10_000;

export interface OwnMeter extends Meter {
  stop(): void;
}

/** What this process takes of the machine. */
export function createOwnMeter(): OwnMeter {
  const delays = monitorEventLoopDelay({ resolution: EVERY_MS });
  delays.enable();
  let late = 0;
  let countedFrom = performance.now();

  function lateness(): number {
    if (delays.count === 0 || performance.now() - countedFrom < WINDOW_MS) return late;
    // Counted is the time between two wakings, of which the interval itself was meant.
    late = Math.max(0, delays.percentile(99) / 1e6 - EVERY_MS);
    delays.reset();
    countedFrom = performance.now();
    return late;
  }

  return {
    async read() {
      const { rss, heapUsed } = process.memoryUsage();
      const { user, system } = process.cpuUsage();
      return [
        reading('steward_process_resident_memory_bytes', rss),
        reading('steward_process_heap_used_bytes', heapUsed),
        reading('steward_process_cpu_seconds_total', (user + system) / 1e6),
        reading('steward_process_event_loop_delay_seconds', lateness() / 1_000),
        reading('steward_process_start_time_seconds', Math.round(performance.timeOrigin) / 1_000),
      ];
    },
    stop: () => void delays.disable(),
  };
}
