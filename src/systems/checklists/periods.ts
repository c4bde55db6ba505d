export type Every = 'week' | 'month' | 'quarter';

/** A stretch of the calendar in UTC, the end left out. */
export interface Period {
  /** As ISO 8601 has it: 2026-W49, 2026-12; for quarters 2026-Q4. */
  readonly name: string;
  readonly from: Date;
  readonly until: Date;
}

const DAY_MS = 86_400_000;

/** The one that an instant lies in. */
export function periodOf(every: Every, at: Date): Period {
  const [year, month] = [at.getUTCFullYear(), at.getUTCMonth()];
  switch (every) {
    case 'week':
      return weekOf(at);
    case 'month':
      return {
        name: at.toISOString().slice(0, 7),
        from: new Date(Date.UTC(year, month, 1)),
        until: new Date(Date.UTC(year, month + 1, 1)),
      };
    case 'quarter': {
      const first = month - (month % 3);
      return {
        name: `${year}-Q${first / 3 + 1}`,
        from: new Date(Date.UTC(year, first, 1)),
        until: new Date(Date.UTC(year, first + 3, 1)),
      };
    }
  }
}

export function before(every: Every, { from }: Period): Period {
  return periodOf(every, new Date(from.getTime() - 1));
}

/** Weeks begin on Monday; the first of a year is the one that has its 4th of January. */
function weekOf(at: Date): Period {
  const day = Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate());
  const monday = day - ((at.getUTCDay() + 6) % 7) * DAY_MS;
  const year = new Date(monday + 3 * DAY_MS).getUTCFullYear();
  const fourth = Date.UTC(year, 0, 4);
  const first = fourth - ((new Date(fourth).getUTCDay() + 6) % 7) * DAY_MS;
  const number = (monday - first) / (7 * DAY_MS) + 1;
  return {
    name: `${year}-W${String(number).padStart(2, '0')}`,
    from: new Date(monday),
    until: new Date(monday + 7 * DAY_MS),
  };
}
