import { z } from 'zod';
import { cronTimes, duration, timeZone } from './schema-parts.ts';

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
    cron: cronTimes.optional().describe('Opens again and again at these times: "0 2 * * sun".'),
    zone: timeZone,
    for: duration('1s', '90d').optional().describe('With cron, how long each window lasts.'),
    from: instant.optional().describe('Without cron, when it begins.'),
    until: instant.optional().describe('Without cron, when it ends.'),
  })
  .superRefine((window, context) => {
    const issue = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    const { services, labels, nodes, everything, cron, from, until } = window;
    if (!everything && services.length === 0 && nodes.length === 0 && Object.keys(labels).length === 0)
      issue('services', 'expected what is worked on: services, labels, nodes or everything');
    if (cron !== undefined && (window.for === undefined || from !== undefined || until !== undefined))
      issue('for', 'expected with cron how long each window lasts, and neither from nor until');
    if (cron === undefined && (from === undefined || until === undefined || window.for !== undefined))
      issue('cron', 'expected either cron and for, or from and until');
    if (from !== undefined && until !== undefined && until <= from)
      issue('until', 'expected an end after the beginning');
  });
export type MaintenanceConfig = z.output<typeof MaintenanceConfig>;
