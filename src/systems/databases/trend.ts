/** How large something was, at an instant. */
export interface SizeAt {
  readonly at: Date;
  readonly bytes: number;
}

export interface Jump {
  readonly windowMs: number;
  readonly grownBytes: number;
  readonly usuallyBytes: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MIB = 1024 ** 2;

/** What is small, by itself or beside all there is, is no jump, whatever is usual. */
const WINDOWS = [
  { windowMs: HOUR_MS, leastBytes: 256 * MIB, leastShare: 0.1 },
  { windowMs: DAY_MS, leastBytes: 64 * MIB, leastShare: 0.05 },
] as const;
/** So many earlier windows have to be known to say what is usual. */
const KNOWN = 4;
const COMPARED = 14;

/** Whether it grew so many times faster in the last hour or day than in those before; the median of them is usual. */
export function jumpIn(history: readonly SizeAt[], now: Date, times: number): Jump | undefined {
  const points = history.toSorted((a, b) => a.at.getTime() - b.at.getTime());
  for (const { windowMs, leastBytes, leastShare } of WINDOWS) {
    const sizes: number[] = [];
    for (let back = 0; back <= COMPARED + 1; back += 1) {
      const size = sizeAt(points, now.getTime() - back * windowMs, windowMs);
      if (size === undefined) break;
      sizes.push(size);
    }
    const [grownBytes, ...before] = sizes.slice(1).map((older, index) => (sizes[index] ?? older) - older);
    if (grownBytes === undefined || before.length < KNOWN) continue;
    const usuallyBytes = Math.max(0, median(before));
    const least = Math.max(leastBytes, leastShare * ((sizes[0] ?? 0) - grownBytes));
    if (grownBytes >= least && grownBytes > usuallyBytes * times) return { windowMs, grownBytes, usuallyBytes };
  }
  return undefined;
}

/** Bytes a day over the last week, or over what of it is known; undefined before an hour is. */
export function growthPerDay(history: readonly SizeAt[], now: Date): number | undefined {
  const recent = history
    .filter(({ at }) => now.getTime() - at.getTime() <= 7 * DAY_MS)
    .toSorted((a, b) => a.at.getTime() - b.at.getTime());
  const [first, last] = [recent[0], recent.at(-1)];
  if (!first || !last) return undefined;
  const days = (last.at.getTime() - first.at.getTime()) / DAY_MS;
  return days * DAY_MS < HOUR_MS ? undefined : Math.round((last.bytes - first.bytes) / days);
}

/** The last that is known of that instant, if it is not older than half a window. */
function sizeAt(points: readonly SizeAt[], instant: number, windowMs: number): number | undefined {
  const found = points.findLast(({ at }) => at.getTime() <= instant);
  return found && instant - found.at.getTime() <= windowMs / 2 ? found.bytes : undefined;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
