import type { Uptime, UptimeDay } from '../../core/status-page.ts';
import { type Availability, percentUp, type Span } from './availability.ts';

/** How much one service was there, by its id. */
export type UptimeOf = (resourceId: string) => { readonly uptime: Uptime; readonly days: UptimeDay[] };

const DAY_MS = 86_400_000;
const RECENT = { day: 1, week: 7, month: 30, quarter: 90 } as const satisfies Record<keyof Uptime, number>;
const NEVER = { upSeconds: 0, downSeconds: 0 };

/** Of the last day, week, month and quarter, and of so many days one by one. */
export async function uptimeUntil(
  at: Date,
  days: number,
  look: (spans: readonly Span[]) => Promise<readonly Availability[]>,
): Promise<UptimeOf> {
  const each = daysUntil(at, days);
  const found = new Map((await look([...recent(at), ...each])).map((row) => [`${row.resourceId} ${row.span}`, row]));
  return (id) => {
    const of = (span: string): Pick<Availability, 'upSeconds' | 'downSeconds'> => found.get(`${id} ${span}`) ?? NEVER;
    return {
      uptime: Object.fromEntries(Object.keys(RECENT).map((name) => [name, percentUp(of(name))])),
      days: each.map(({ name }) => ({
        day: name,
        percent: percentUp(of(name)),
        downSeconds: Math.round(of(name).downSeconds),
      })),
    };
  };
}

function recent(at: Date): Span[] {
  return Object.entries(RECENT).map(([name, days]) => ({
    name,
    from: new Date(at.getTime() - days * DAY_MS),
    until: at,
  }));
}

/** Days in UTC, the oldest first; the last of them has only begun. */
function daysUntil(at: Date, count: number): Span[] {
  const today = Date.parse(`${at.toISOString().slice(0, 10)}T00:00:00Z`);
  return Array.from({ length: count }, (_, index) => {
    const from = new Date(today - (count - 1 - index) * DAY_MS);
    const until = new Date(Math.min(from.getTime() + DAY_MS, at.getTime()));
    return { name: from.toISOString().slice(0, 10), from, until };
  });
}
