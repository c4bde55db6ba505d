import type { Answer } from '../api/client.ts';

type Workflow = Answer<'/api/v1/workflows'>['items'][number];
export type Trigger = Workflow['triggers'][number];

/** What makes a workflow start, as one says it. */
export function startOf({ kind, schedule, event }: Trigger): string {
  if (kind === 'event') return `on ${event ?? 'an event'}`;
  if (!schedule) return 'by the clock';
  return schedule.every === undefined
    ? `${schedule.cron ?? schedule.onCalendar ?? ''} ${schedule.zone}`
    : `every ${schedule.every}`;
}
