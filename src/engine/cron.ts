import { Cron } from 'croner';
import { StewardError } from '../core/errors.ts';
import { instantsOf, wallClock } from '../core/zone.ts';

const read = new Map<string, Cron>();
const MOST_READ = 500;

/**
 * The first instant of a cron expression after this one. A local time that is skipped when clocks go forward comes
 * right after the gap. In the hour that is repeated when they go back, what names its hour and its minutes has come
 * already; what says `*` in one of them is a rhythm and goes on.
 */
export function nextCron(cron: string, zone: string, after: Date): Date | undefined {
  const pattern = patternOf(cron, zone);
  let next = pattern.nextRun(after);
  if (isRhythm(cron)) return next ?? undefined;
  while (next && isRepeat(next.getTime(), zone)) next = pattern.nextRun(next);
  return next ?? undefined;
}

/** Whether the clocks show this for the second time. */
function isRepeat(instant: number, zone: string): boolean {
  const [first = instant, second] = instantsOf(wallClock(instant, zone), zone);
  return second === instant && first < instant;
}

function isRhythm(cron: string): boolean {
  const fields = cron.trim().split(/\s+/);
  return fields.slice(0, fields.length - 3).some((field) => field.startsWith('*'));
}

function patternOf(cron: string, zone: string): Cron {
  const key = `${zone} ${cron}`;
  const known = read.get(key);
  if (known) return known;
  try {
    const pattern = new Cron(cron, { timezone: zone, paused: true, mode: '5-or-6-parts' });
    if (read.size >= MOST_READ) read.clear();
    read.set(key, pattern);
    return pattern;
  } catch (cause) {
    throw new StewardError(
      'CONFIG_INVALID',
      `The schedule '${cron}' in ${zone} cannot be read: ${(cause as Error).message}`,
      {
        hint: 'Five fields: minute hour day month weekday, as in "30 2 * * *"; six begin with the second.',
        cause,
      },
    );
  }
}
