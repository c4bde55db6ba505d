import { z } from 'zod';
import type { MeasureName } from './measures.ts';
import { ReportPeriod } from './report-period.ts';
import { Deduction } from './score.ts';

/** What of a machine is in the report, in this order; answers of checks have a table of their own. */
export const REPORTED = ['cpu', 'load', 'memory', 'space', 'disk', 'network'] as const satisfies readonly MeasureName[];

/** How something was over the period, made of the means of its steps. */
export const Figures = z.object({
  mean: z.number(),
  p95: z.number().describe('95 of 100 steps were at most that.'),
  highest: z.number().describe('The mean of the highest step.'),
  last: z.number().describe('The mean of the newest step.'),
  points: z
    .array(z.object({ at: z.coerce.date(), value: z.number() }))
    .describe('Means of the steps; none where there are many.'),
});
export type Figures = z.output<typeof Figures>;

export const ServiceKind = z.enum(['service', 'agent', 'model', 'database']);
export type ServiceKind = z.output<typeof ServiceKind>;

/** By whom something is run. */
export const UsedBy = z.enum(['container', 'unit', 'process']);
export type UsedBy = z.output<typeof UsedBy>;

const Used = z.object({
  mean: z.number(),
  highest: z.number().describe('The mean of the highest step.'),
  beforeMean: z.number().optional().describe('Over the period before; left out where nothing was measured then.'),
});
export type Used = z.output<typeof Used>;

export const PerformanceReport = z.object({
  at: z.coerce.date(),
  node: z.string(),
  period: ReportPeriod,
  from: z.coerce.date(),
  to: z.coerce.date(),
  step: z.string().describe('How far apart the points are.'),
  score: z
    .number()
    .min(0)
    .max(100)
    .optional()
    .describe('100 where nothing is short and nothing is slow. Left out while too little of the period was measured.'),
  deductions: z.array(Deduction).describe('What was taken from 100, why, and what mends it.'),
  agentUptimePercent: z.number().optional().describe('Of all AI agents together; left out where there are none.'),
  backupSuccessPercent: z.number().optional().describe('Copies that were made, of those that were begun.'),
  measuredFor: z.string().optional().describe('How much of the period has figures of the machine.'),
  machine: z.array(Figures.extend({ measure: z.enum(REPORTED), subject: z.string(), unit: z.string() })),
  answers: z
    .array(
      Figures.extend({
        name: z.string().describe('The service, and what it is asked.'),
        kind: ServiceKind,
        beforeMean: z.number().optional().describe('Over the period before.'),
      }),
    )
    .describe('How long checks waited for good answers, in seconds; the slowest first.'),
  usage: z
    .array(
      z.object({
        id: z.string().optional().describe('Of the service.'),
        name: z.string(),
        by: UsedBy,
        cores: Used.optional().describe('Cores that it used: 0.5 is half of one.'),
        memoryBytes: Used.optional(),
      }),
    )
    .default([])
    .describe('What took most: the containers, and beside them the units and processes, with most cores or memory.'),
  uptimes: z.array(z.object({ service: z.string(), kind: ServiceKind, percent: z.number() })),
  databases: z.array(
    z.object({
      source: z.string(),
      kind: z.string(),
      at: z.coerce.date(),
      bytes: z.number(),
      connectionsPercent: z.number().optional(),
      cacheHitPercent: z.number().optional(),
      longestTransactionSeconds: z.number().optional(),
      slowest: z.object({ statement: z.string(), meanMs: z.number(), calls: z.number() }).optional(),
    }),
  ),
  notes: z.array(z.string()).describe('What could not be told, and why.'),
});
export type PerformanceReport = z.output<typeof PerformanceReport>;
