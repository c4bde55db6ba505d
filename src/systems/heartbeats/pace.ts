const MOST_REMEMBERED = 10_000;
const MINUTE_MS = 60_000;

/** Whether somebody may speak once more within a minute; what was said too fast is not heard. */
export function createPace({ perMinute, now }: { perMinute: number; now: () => Date }) {
  let minute = 0;
  let counts = new Map<string, number>();
  return {
    allows(key: string): boolean {
      const current = Math.floor(now().getTime() / MINUTE_MS);
      if (current !== minute || counts.size >= MOST_REMEMBERED) [minute, counts] = [current, new Map()];
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      return count <= perMinute;
    },
  };
}
