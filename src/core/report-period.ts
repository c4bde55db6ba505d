import { z } from 'zod';

/** The reports that are kept. */
export const REPORT_KINDS = ['health', 'performance', 'weekly'] as const;
export type ReportKindName = (typeof REPORT_KINDS)[number];

export const ReportPeriod = z.enum(['daily', 'weekly', 'monthly']);
export type ReportPeriod = z.output<typeof ReportPeriod>;

const HOUR_MS = 3_600_000;

/** How long a period is, and in which steps its figures are made: some ninety of them. */
export const PERIODS: Readonly<
  Record<ReportPeriod, { readonly lengthMs: number; readonly stepMs: number; readonly step: string }>
> = {
  daily: { lengthMs: 24 * HOUR_MS, stepMs: HOUR_MS / 4, step: '15m' },
  weekly: { lengthMs: 7 * 24 * HOUR_MS, stepMs: 2 * HOUR_MS, step: '2h' },
  monthly: { lengthMs: 30 * 24 * HOUR_MS, stepMs: 8 * HOUR_MS, step: '8h' },
};
