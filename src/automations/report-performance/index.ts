import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { formatDuration } from '../../core/duration.ts';
import { mean, MEASURES } from '../../core/measures.ts';
import { PerformanceReport, REPORTED } from '../../core/performance-report.ts';
import { PERIODS, ReportPeriod } from '../../core/report-period.ts';
import { scored } from '../../core/score.ts';
import { topUsage } from '../../core/top-usage.ts';
import { deductionsOf, figuresOf, kindOf, kindsByAnswer, measured } from './analyze.ts';

/** Lines of so many are drawn; the others are figures only. */
const DRAWN = 12;
const MOST = 1_000;
const STATEMENT_LENGTH = 300;
/** Of a period that was measured for less than this, nothing can be said of all of it. */
const ENOUGH = 0.25;

export default defineAutomation({
  name: 'report-performance',
  version: 1,
  title: 'Report on the performance',
  summary:
    'Says how a machine and its services did over a day, a week or a month, with a score whose every deduction has its fix.',
  category: 'health',
  effect: 'read',
  priority: 'P2',
  ifMissed: 'nobody sees what gets slower',
  load: 'light',
  needs: ['metrics', 'health', 'history', 'inventory'],

  input: z.object({
    period: ReportPeriod.optional().describe('How far back it looks from now; by default what reports.period says.'),
  }),
  output: PerformanceReport,
  examples: [
    { title: 'The last day', input: { period: 'daily' } },
    { title: 'The last thirty days', input: { period: 'monthly' } },
  ],
  safeguards: { timeout: '2m', retry: { attempts: 2, backoff: '2s' } },

  async analyze({ input, ports, now, node, progress }) {
    const { period: usual, slowSeconds } = await ports.history.settings();
    const period = input.period ?? usual;
    const { lengthMs, stepMs, step } = PERIODS[period];
    const to = now();
    const from = new Date(to.getTime() - lengthMs);
    const span = { from, to, stepMs };
    const [thresholds, services, uptimes, copies, databases] = await Promise.all([
      ports.health.thresholds(),
      ports.health.services(),
      ports.history.uptimes(from),
      ports.history.counts(['backup.completed', 'backup.failed'], { from, to, here: true }),
      ports.history.databases(),
    ]);
    progress({ done: 1, total: 3, message: `${services.length} services, ${databases.length} databases` });

    const machine = [];
    for (const measure of REPORTED)
      for (const subject of await measured(ports.metrics, measure, span)) {
        const figures = figuresOf(subject);
        if (figures) machine.push({ measure, subject: subject.name, unit: MEASURES[measure].unit, ...figures });
      }
    progress({ done: 2, total: 3, message: `${machine.length} measures of the machine` });

    const kinds = kindsByAnswer(services);
    const formerly = { from: new Date(from.getTime() - lengthMs), to: from, stepMs };
    const before = new Map(
      (await measured(ports.metrics, 'response-time', formerly)).map((subject) => [
        subject.name,
        figuresOf(subject)?.mean,
      ]),
    );
    const usage = await topUsage(ports, {
      span,
      formerly,
    });
    const answers = (await measured(ports.metrics, 'response-time', span))
      .flatMap((subject) => {
        const figures = figuresOf(subject);
        if (!figures) return [];
        const { name } = subject;
        return [{ name, kind: kinds.get(name) ?? ('service' as const), beforeMean: before.get(name), ...figures }];
      })
      .toSorted((one, other) => other.mean - one.mean)
      .slice(0, MOST)
      .map((each, index) => (index < DRAWN ? each : { ...each, points: [] }));

    const known = services.flatMap((service) => {
      const percent = uptimes.get(service.resource.id);
      return percent === undefined ? [] : [{ service: service.resource.name, kind: kindOf(service), percent }];
    });
    const completed = total(copies.filter(({ type }) => type === 'backup.completed'));
    const begun = total(copies);
    const found = {
      machine,
      answers,
      usage,
      uptimes: known.toSorted((one, other) => one.percent - other.percent).slice(0, MOST),
      databases: databases.map(({ at, slowest, ...figures }) => ({
        ...figures,
        at: at.toISOString(),
        ...(slowest && { slowest: { ...slowest, statement: slowest.statement.slice(0, STATEMENT_LENGTH) } }),
      })),
      agentUptimePercent: percentOf(mean(known.filter(({ kind }) => kind === 'agent').map(({ percent }) => percent))),
      backupSuccessPercent: begun === 0 ? undefined : percentOf((100 * completed) / begun),
    };
    const measuredMs = stepMs * Math.max(0, ...machine.map(({ points }) => points.length));
    const { score, deductions } = scored(deductionsOf(found, { ...thresholds, slowSeconds }));
    const isEnough = measuredMs >= ENOUGH * lengthMs;
    return {
      ...found,
      at: to.toISOString(),
      node: node.name,
      period,
      from: from.toISOString(),
      to: to.toISOString(),
      step,
      looked: [...REPORTED],
      ...(isEnough && { score }),
      deductions,
      measuredFor: formatDuration(Math.min(measuredMs, lengthMs)),
      notes: [
        !isEnough &&
          `Not enough history yet: ${formatDuration(measuredMs)} of ${formatDuration(lengthMs)} were measured, and a score takes ${formatDuration(ENOUGH * lengthMs)}.`,
        machine.length === 0 &&
          'The machine was not measured in this period: metrics.enabled in steward.yaml may be false.',
        answers.length === 0 && 'No check had a good answer in this period, or none was kept.',
        begun === 0 && 'No copy was begun in this period.',
      ].filter((note) => note !== false),
    };
  },

  async verify(_, { facts }) {
    const lost = facts.deductions.reduce((sum, { points }) => sum + points, 0);
    return [
      {
        name: 'a score is 100 less the deductions that are named',
        ok: facts.score === undefined || facts.score === Math.max(0, 100 - lost),
        evidence: { score: facts.score ?? null, lost },
      },
      {
        name: 'everything that a report has was looked at',
        ok: REPORTED.every((measure) => facts.looked.includes(measure)),
        evidence: { looked: facts.looked, found: facts.machine.length, answers: facts.answers.length },
      },
    ];
  },

  record({ facts: { looked: _, ...report } }) {
    return PerformanceReport.parse(report);
  },
});

function total(counts: readonly { readonly count: number }[]): number {
  return counts.reduce((sum, { count }) => sum + count, 0);
}

/** Cut and not rounded: what was missed is never made to look whole. */
function percentOf(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.floor(value * 100) / 100;
}
