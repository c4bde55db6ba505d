import type { ProcessInfo } from '../../core/ports/processes.ts';
import type { ProcessTable } from './process-table.ts';

export interface Grown {
  /** How the kernel knows it: unit:system:shop.service, container:<id>, pid:4711. */
  readonly holder: string;
  readonly bytes: number;
}

const SAMPLE_EVERY_MS = 60_000;
const REMEMBERED_MS = 3_600_000;
const MOST_HOLDERS = 5_000;

/** Who grew most since it was smallest within the last hour, of units, containers and processes that nobody supervises. */
export function createMemoryGrowth(
  table: Pick<ProcessTable, 'list'>,
  monotonic: () => number = () => performance.now(),
): { sample(): Promise<void>; most(): Promise<Grown | undefined> } {
  const before = new Map<string, { at: number; bytes: number }[]>();
  let sampledAt: number | undefined;

  async function sizes(): Promise<ReadonlyMap<string, number>> {
    const sums = new Map<string, number>();
    for (const process of await table.list()) {
      const holder = holderOf(process);
      sums.set(holder, (sums.get(holder) ?? 0) + process.residentBytes);
    }
    return sums;
  }

  return {
    async sample() {
      const at = monotonic();
      if (sampledAt !== undefined && at - sampledAt < SAMPLE_EVERY_MS) return;
      sampledAt = at;
      const now = await sizes();
      for (const holder of before.keys()) if (!now.has(holder)) before.delete(holder);
      for (const [holder, bytes] of now) {
        if (!before.has(holder) && before.size >= MOST_HOLDERS) continue;
        const samples = (before.get(holder) ?? []).filter((sample) => at - sample.at < REMEMBERED_MS);
        before.set(holder, [...samples, { at, bytes }]);
      }
    },
    async most() {
      let most: Grown | undefined;
      for (const [holder, bytes] of await sizes()) {
        const samples = before.get(holder);
        if (!samples?.length) continue;
        const growth = bytes - Math.min(...samples.map((sample) => sample.bytes));
        if (growth > (most?.bytes ?? 0)) most = { holder, bytes: growth };
      }
      return most;
    },
  };
}

function holderOf({ container, unit, unitScope, pid }: ProcessInfo): string {
  if (container !== undefined) return `container:${container}`;
  return unit === undefined ? `pid:${pid}` : `unit:${unitScope ?? 'system'}:${unit}`;
}
