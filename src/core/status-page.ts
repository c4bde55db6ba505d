import { z } from 'zod';
import { ServiceState } from './check.ts';

const percent = z.number().min(0).max(100).optional();

/** How much of some times a service was there; what nobody knows is left out. */
export const Uptime = z.object({
  day: percent.describe('Percent of the last 24 hours.'),
  week: percent.describe('Percent of the last 7 days.'),
  month: percent.describe('Percent of the last 30 days.'),
  quarter: percent.describe('Percent of the last 90 days.'),
});
export type Uptime = z.output<typeof Uptime>;

export const UptimeDay = z.object({
  day: z.iso.date().describe('A day in UTC.'),
  percent,
  downSeconds: z.number().int().min(0),
});
export type UptimeDay = z.output<typeof UptimeDay>;

/** What a status page says of one service; of a public one nothing else is told to anybody. */
export const StatusPageService = z.object({
  name: z.string(),
  group: z.string().optional(),
  state: ServiceState,
  since: z.coerce.date(),
  maintenance: z.boolean().describe('Somebody is working on it.'),
  uptime: Uptime,
  days: z.array(UptimeDay).describe('The oldest first.'),
});
export type StatusPageService = z.output<typeof StatusPageService>;

export const StatusPage = z.object({
  title: z.string(),
  at: z.coerce.date(),
  public: z.boolean().describe('Whether it answers without a sign-in.'),
  verdict: z.enum(['ok', 'maintenance', 'degraded', 'down', 'unknown']),
  sentence: z.string(),
  services: z.array(StatusPageService),
});
export type StatusPage = z.output<typeof StatusPage>;
