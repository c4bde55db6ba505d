import { z } from 'zod';
import { Duration, ms } from '../duration.ts';

/**
 * Grandfather, father, son: of the newest days, weeks and months that have copies, one each. Counted in days that have a copy,
 * so a gap lets nothing go.
 */
export const Retention = z.strictObject({
  within: Duration.default('2d').describe(
    'Everything this much younger than the newest copy is looked at as `perDay` says. A gap counts for at most three usual ones.',
  ),
  perDay: z
    .number()
    .int()
    .min(1)
    .max(288)
    .default(4)
    .describe('Copies of one day that are kept within that time; 288: all.'),
  daily: z.number().int().min(0).max(3_650).default(30).describe('The newest copy of each of so many days.'),
  weekly: z.number().int().min(0).max(520).default(0).describe('The newest copy of each of so many weeks.'),
  monthly: z.number().int().min(0).max(240).default(12).describe('The newest copy of each of so many months.'),
  safety: Duration.default('7d').describe(
    'So long stays what was copied right before a restore or a migration, for the way back.',
  ),
});
export type Retention = z.output<typeof Retention>;

/** So many a day are all of them, however close together they were made. */
const ALL_PER_DAY = 288;

/** `30d`: everything that is younger, and nothing else but the ways back. */
export function retentionOf(text: string): Retention | undefined {
  const days = /^(\d{1,4})d$/.exec(text)?.[1];
  if (days === undefined) return undefined;
  return Retention.parse({ within: text, perDay: ALL_PER_DAY, daily: 0, weekly: 0, monthly: 0 });
}

/** A whole copy, by the clock and in the order of whoever recorded it. */
export interface KeepableCopy {
  readonly id: string;
  readonly sequence: number;
  readonly startedAt: Date;
  readonly proven: boolean;
  /** Proven, but for some of it. */
  readonly partly?: boolean | undefined;
  /** Made right before something was done to the original, to go back to. */
  readonly wayBack?: boolean | undefined;
}

const DAY_MS = 86_400_000;
/** A clock is corrected by less than this in the life of a machine that is well. */
const AHEAD_MS = 60_000;

/**
 * Why each copy of one source in one repository stays; those that have no reason may go. Whatever the rules say:
 *  - the newest proven copy stays, and everything that was made after it; so does the newest of which all is proven;
 *  - without a proven copy everything stays;
 *  - a copy that claims to come from the future counts for nothing and stays until its time has come;
 *  - age is counted from the newest copy, and a gap for no more than three usual ones: neither a machine that was off nor a clock
 *    that jumps ahead lets go of what there is.
 */
export function reasonsToKeep(
  copies: readonly KeepableCopy[],
  rules: Retention,
  now: Date,
): ReadonlyMap<string, readonly string[]> {
  const reasons = new Map<string, string[]>(copies.map(({ id }) => [id, []]));
  const because = ({ id }: KeepableCopy, why: string): void => void reasons.get(id)?.push(why);
  const newestFirst = copies.toSorted((a, b) => b.sequence - a.sequence);
  // A way back is offered by nobody: it stands in for no proof.
  const offered = newestFirst.filter(({ proven, wayBack = false }) => proven && !wayBack);
  const lastProven = offered[0];
  const lastWhole = offered.find(({ partly = false }) => !partly);
  if (lastWhole && lastWhole !== lastProven) because(lastWhole, 'the last copy of which all is proven');
  for (const copy of newestFirst) {
    if (!lastProven) because(copy, 'no copy has been proven yet');
    else if (copy === lastProven) because(copy, 'the last proven copy');
    else if (copy.sequence > lastProven.sequence) because(copy, 'newer than the last proven copy');
  }
  const ahead = (copy: KeepableCopy): boolean => copy.startedAt.getTime() > now.getTime() + AHEAD_MS;
  for (const copy of newestFirst.filter(ahead)) because(copy, 'it was made by a clock that ran ahead');
  const ordered = newestFirst.filter((copy) => !ahead(copy)).toSorted(byTime);

  const ages = agesOf(ordered);
  const younger = (than: string): KeepableCopy[] => ordered.filter((_, index) => (ages[index] ?? 0) <= ms(than));
  for (const copy of younger(rules.safety))
    if (copy.wayBack) because(copy, `the way back from what came after it, for ${rules.safety}`);
  const young = younger(rules.within);
  for (const [day, copiesOfDay] of Map.groupBy(young, (copy) => period(copy, 'day')))
    for (const copy of spread(copiesOfDay, rules.perDay)) because(copy, `one of ${rules.perDay} of ${day}`);
  for (const [unit, count] of [
    ['day', rules.daily],
    ['week', rules.weekly],
    ['month', rules.monthly],
  ] as const) {
    const groups = [...Map.groupBy(ordered, (copy) => period(copy, unit))].slice(0, count);
    for (const [name, group] of groups) {
      const kept = group.find(({ proven }) => proven) ?? group[0];
      if (kept) because(kept, `the ${unit} ${name}`);
    }
  }
  return reasons;
}

/** How much older than the first each is, in milliseconds, newest first. A gap is cut to three usual ones, and to a day at least. */
function agesOf(ordered: readonly KeepableCopy[]): number[] {
  const gaps = ordered.map(
    ({ startedAt }, index) => (ordered[index - 1] ?? { startedAt }).startedAt.getTime() - startedAt.getTime(),
  );
  const usual = gaps.slice(1).toSorted((a, b) => a - b)[Math.floor((gaps.length - 1) / 2)] ?? 0;
  const longest = Math.max(DAY_MS, USUAL_GAPS * usual);
  let age = 0;
  return gaps.map((gap) => (age += Math.min(gap, longest)));
}
const USUAL_GAPS = 3;

const byTime = (a: KeepableCopy, b: KeepableCopy): number =>
  b.startedAt.getTime() - a.startedAt.getTime() || b.sequence - a.sequence;

/** Of the copies of a day, the newest of each part of it. */
function spread(copies: readonly KeepableCopy[], parts: number): KeepableCopy[] {
  if (parts >= ALL_PER_DAY) return [...copies];
  const slot = ({ startedAt }: KeepableCopy): number => Math.floor(((startedAt.getTime() % DAY_MS) / DAY_MS) * parts);
  return [...Map.groupBy(copies, slot).values()].flatMap((group) => group.slice(0, 1));
}

/** The day, ISO week or month in UTC, as a name. */
function period({ startedAt }: KeepableCopy, unit: 'day' | 'week' | 'month'): string {
  if (unit === 'day') return startedAt.toISOString().slice(0, 10);
  if (unit === 'month') return startedAt.toISOString().slice(0, 7);
  const thursday = new Date(startedAt.getTime() + (3 - ((startedAt.getUTCDay() + 6) % 7)) * DAY_MS);
  const firstDay = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = Math.floor((thursday.getTime() - firstDay) / (7 * DAY_MS)) + 1;
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, '0')}`;
}
