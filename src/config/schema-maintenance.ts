import { z } from 'zod';
import { clockProblems, duration, timesByTheClock } from './schema-parts.ts';

const instant = z.iso
  .datetime({ offset: true, error: 'expected a time such as 2026-03-01T22:00:00Z' })
  .transform((value) => new Date(value));

/** A window that steward.yaml opens: one that comes once, or one that comes again and again. */
export const MaintenanceConfig = z
  .strictObject({
    name: z.string().min(1).max(100).describe('What is being done; shown wherever something is kept quiet.'),
    services: z.array(z.string().min(1)).default([]).describe('Names of services.'),
    labels: z.record(z.string(), z.string()).default({}).describe('Services that have one of these labels.'),
    nodes: z
      .array(z.string().min(1))
      .default([])
      .describe('Machines, with all that runs there. Without any, the window is about this machine only.'),
    everything: z.boolean().default(false).describe('All that this machine watches.'),
    ...timesByTheClock,
    for: duration('1s', '90d').optional().describe('With cron or onCalendar, how long each window lasts.'),
    from: instant.optional().describe('For a window that comes once, when it begins.'),
    until: instant.optional().describe('For a window that comes once, when it ends.'),
  })
  .superRefine((window, context) => {
    const issue = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    const { services, labels, nodes, everything, cron, onCalendar, zone, from, until } = window;
    if (!everything && services.length === 0 && nodes.length === 0 && Object.keys(labels).length === 0)
      issue('services', 'expected what is worked on: services, labels, nodes or everything');
    const recurs = cron !== undefined || onCalendar !== undefined;
    if (recurs && (window.for === undefined || from !== undefined || until !== undefined))
      issue('for', 'expected with cron or onCalendar how long each window lasts, and neither from nor until');
    if (!recurs && (from === undefined || until === undefined || window.for !== undefined))
      issue('from', 'expected either cron or onCalendar with for, or from and until');
    for (const { path, message } of recurs ? clockProblems({ cron, onCalendar, zone }) : [])
      context.addIssue({ code: 'custom', path, message });
    if (from !== undefined && until !== undefined && until <= from)
      issue('until', 'expected an end after the beginning');
  });
export type MaintenanceConfig = z.output<typeof MaintenanceConfig>;
