import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { Duration, ms, parseDuration } from '../../core/duration.ts';
import { lookAtPerformance, PerformanceFinding, PerformanceMetric } from '../../core/performance.ts';

const LEAST_BASELINE_MS = ms('7d');
const MOST_BASELINE_MS = ms('90d');
const MOST_FINDINGS = 1_000;

export default defineAutomation({
  name: 'monitor-performance',
  version: 1,
  title: 'Look at the performance',
  summary: 'Compares how a machine and its services do with what is usual at this hour of the week.',
  category: 'health',
  effect: 'read',
  priority: 'P1',
  ifMissed: 'what gets slower is noticed when it is too slow',
  load: 'light',
  needs: ['metrics'],
  mcpName: 'auto_monitor_performance',

  input: z.object({
    metrics: z.array(PerformanceMetric).min(1).max(5).default(PerformanceMetric.options).describe('What is looked at.'),
    baseline: Duration.refine((text) => {
      const length = parseDuration(text);
      return length === undefined || (length >= LEAST_BASELINE_MS && length <= MOST_BASELINE_MS);
    }, 'expected between 7d and 90d: what is usual is known by the hour of the week')
      .default('7d')
      .describe('So far back lies what it is compared with.'),
    alert_threshold: z
      .string()
      .regex(/^([1-9]\d{0,2})(\.\d)?x$/, 'expected how many times what is usual, such as 2x or 1.5x')
      .default('2x')
      .describe('How many times what is usual is too much; less is, too, where it never strays so far.'),
    auto_scale: z
      .boolean()
      .default(false)
      .describe('Whether you want more of what is short. The answer says what may be done.'),
  }),
  output: z.object({
    normal: z.boolean().describe('Whether nothing is above what is usual.'),
    baseline: z.string(),
    findings: z.array(PerformanceFinding),
    note: z.string(),
  }),
  examples: [
    { title: 'Everything, as it usually is', input: {} },
    {
      title: 'Slow answers over a month',
      input: { metrics: ['response-time'], baseline: '30d', alert_threshold: '1.5x' },
    },
  ],
  safeguards: { timeout: '1m', retry: { attempts: 2, backoff: '2s' } },

  async analyze({ input, ports, now, progress }) {
    const options = { now: now(), baselineMs: ms(input.baseline), times: Number.parseFloat(input.alert_threshold) };
    const findings: PerformanceFinding[] = [];
    for (const [index, metric] of input.metrics.entries()) {
      findings.push(...(await lookAtPerformance(ports.metrics, metric, options)));
      progress({ done: index + 1, total: input.metrics.length, message: metric });
    }
    return {
      asked: [...input.metrics],
      baseline: input.baseline,
      scale: input.auto_scale,
      findings: findings.toSorted((one, other) => ORDER[one.state] - ORDER[other.state]).slice(0, MOST_FINDINGS),
    };
  },

  async verify(_, { facts }) {
    const measured = new Set(facts.findings.map(({ metric }) => metric));
    const missing = facts.asked.filter((metric) => !measured.has(metric));
    return [{ name: 'everything that was asked for was looked at', ok: missing.length === 0, evidence: { missing } }];
  },

  record({ facts }) {
    const above = facts.findings.filter(({ state }) => state === 'above');
    const unknown = facts.findings.filter(({ state }) => state === 'not-enough-history');
    return {
      normal: above.length === 0,
      baseline: facts.baseline,
      findings: facts.findings,
      note: [
        above.length > 0 && `${above.length} of ${facts.findings.length} are above what is usual.`,
        unknown.length > 0 && `Not enough history yet for ${unknown.length}.`,
        facts.scale && 'Nothing was scaled: this automation only looks.',
      ]
        .filter((part) => part !== false)
        .join(' '),
    };
  },
});

const ORDER: Readonly<Record<PerformanceFinding['state'], number>> = {
  above: 0,
  'not-measured': 1,
  'not-enough-history': 2,
  normal: 3,
};
