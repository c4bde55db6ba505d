import { z } from 'zod';
import { duration } from './schema-parts.ts';

export const Metrics = z.strictObject({
  enabled: z
    .boolean()
    .default(true)
    .describe('Whether machine, checks and Steward are measured; a change is in force after the next start.'),
  series: z
    .number()
    .int()
    .min(100)
    .max(50_000)
    .default(5_000)
    .describe('Series that a machine keeps at most; of more, the rest is left out, and that is told.'),
  public: z
    .boolean()
    .default(false)
    .describe('Whether GET /metrics answers without a token; a change is in force after the next start.'),
  textfile: z
    .strictObject({
      path: z
        .string()
        .regex(/^\/.+\.prom$/, 'expected an absolute path that ends in .prom')
        .describe('The file; its folder has to be there: /var/lib/prometheus/node-exporter/steward.prom.'),
      prefix: z
        .string()
        .regex(/^[a-z][a-z0-9_]*$/, 'expected lower-case letters, digits and _')
        .default('sutazai')
        .describe('How the names in it begin: sutazai_health_score, sutazai_agent_uptime.'),
    })
    .optional()
    .describe('Written once a minute for the textfile collector of node_exporter.'),
  keep: z
    .strictObject({
      raw: duration('1d', '90d').default('7d').describe('Single values, one every 15 seconds.'),
      fiveMinutes: duration('6d', '365d').default('30d').describe('What they come to in five minutes.'),
      hourly: duration('31d', '3650d').default('90d').describe('What they come to in an hour.'),
      daily: duration('31d', '3650d').default('730d').describe('What they come to in a day.'),
    })
    .prefault({})
    .describe('How long measured values stay, ever more coarsely.'),
});
