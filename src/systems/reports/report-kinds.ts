import { z } from 'zod';
import { HealthFindings } from '../../core/health-report.ts';
import { PerformanceReport } from '../../core/performance-report.ts';
import { ReportPeriod } from '../../core/report-period.ts';
import { WeeklySummary } from '../../core/weekly-summary.ts';
import type { Renderers } from './deps.ts';
import type { AnyReportKind, ReportKind } from './kinds.ts';
import { healthLines } from './lines.ts';
import { inWords, performanceInWords } from './in-words.ts';
import { tellCritical } from './tell-critical.ts';

/** Every kind of report that is kept. */
export function reportKinds(render: Renderers): readonly AnyReportKind[] {
  return [health(render), performance(render), weekly(render)];
}

function health({ health: document }: Renderers): ReportKind<HealthFindings> {
  return {
    kind: 'health',
    automation: 'daily-health-check',
    prefix: 'hr',
    subject: 'health-report',
    schema: HealthFindings,
    facts: ({ failed, warnings, critical }) => ({ failed, warnings, critical }),
    Facts: { failed: z.number().int(), warnings: z.number().int(), critical: z.boolean() },
    folder: 'reports',
    files: 'daily_health_report_',
    fileName: () => 'daily_health_report',
    latest: 'latest_health_report',
    json: (report) => report,
    log: { files: 'daily_health_check_', lines: healthLines },
    render: document,
    kept: (report, id, { incidents }) => tellCritical(report, id, incidents),
    message: ({ node, score, failed, warnings, deductions }) => ({
      title: `Health of ${node}: ${score} of 100`,
      text: [`${failed} checks failed, ${warnings} warnings.`, ...deductions.map(inWords)].join('\n'),
    }),
    asked: {
      path: '/api/v1/automation/reports/health',
      columns: ['at', 'node', 'score', 'failed', 'warnings', 'critical', 'id'],
      make: 'steward run daily-health-check',
      list: {
        name: 'health-reports',
        title: 'Health reports',
        summary: 'Lists the daily health reports, newest first.',
        cli: ['reports'],
      },
      get: {
        name: 'health-report-get',
        title: 'Health report',
        summary: 'Shows one health report: its score, what took points away, and everything that was looked at.',
        cli: ['report'],
      },
      file: {
        name: 'health-report-file',
        title: 'Health report as a file',
        summary: 'Gives one health report as a document that opens without a network, or as JSON.',
        cli: ['report-file'],
      },
    },
  };
}

function performance({ performance: document }: Renderers): ReportKind<PerformanceReport> {
  return {
    kind: 'performance',
    automation: 'report-performance',
    prefix: 'pr',
    subject: 'performance-report',
    schema: PerformanceReport,
    facts: ({ period, agentUptimePercent, backupSuccessPercent }) => ({
      period,
      agentUptimePercent,
      backupSuccessPercent,
    }),
    Facts: {
      period: ReportPeriod,
      agentUptimePercent: z.number().optional(),
      backupSuccessPercent: z.number().optional(),
    },
    folder: 'reports/performance',
    files: 'performance_report_',
    fileName: ({ period }) => `performance_report_${period}`,
    latest: 'latest_performance_report',
    json: ({ score, ...report }) => ({ performance_score: score ?? null, score, ...report }),
    render: document,
    message: (report) => ({
      title: `Performance of ${report.node}, ${report.period}: ${report.score === undefined ? 'not enough history yet' : `${report.score} of 100`}`,
      text: performanceInWords(report).join('\n'),
    }),
    asked: {
      path: '/api/v1/automation/reports/performance',
      columns: ['at', 'node', 'period', 'score', 'agentUptimePercent', 'backupSuccessPercent', 'id'],
      make: 'steward run report-performance',
      list: {
        name: 'performance-reports',
        title: 'Performance reports',
        summary: 'Lists the daily, weekly and monthly performance reports, newest first.',
        cli: ['performance', 'reports'],
      },
      get: {
        name: 'performance-report-get',
        title: 'Performance report',
        summary: 'Shows one performance report: its score, what took points away and what mends it, all its figures.',
        cli: ['performance', 'report'],
      },
      file: {
        name: 'performance-report-file',
        title: 'Performance report as a file',
        summary: 'Gives one performance report as a document that opens without a network, or as JSON.',
        cli: ['performance', 'report-file'],
      },
    },
  };
}

function weekly({ weekly: document }: Renderers): ReportKind<WeeklySummary> {
  return {
    kind: 'weekly',
    automation: 'summarize-week',
    prefix: 'ws',
    subject: 'weekly-summary',
    schema: WeeklySummary,
    facts: ({ incidents, copies, runs }) => ({
      incidents: incidents.opened,
      open: incidents.openNow.length,
      proven: copies.proven.reduce((sum, { count }) => sum + count, 0),
      failedRuns: runs.failed,
    }),
    Facts: {
      incidents: z.number().int(),
      open: z.number().int(),
      proven: z.number().int().describe('Copies that were restored and compared.'),
      failedRuns: z.number().int(),
    },
    folder: 'reports/weekly',
    files: 'weekly_summary_',
    fileName: () => 'weekly_summary',
    latest: 'latest_weekly_summary',
    json: (report) => report,
    render: document,
    message: ({ incidents, heals, copies, runs }) => ({
      title: `The week: ${incidents.opened} incidents, ${incidents.openNow.length} open`,
      text: [
        `Incidents: ${incidents.opened} began, ${incidents.resolved} ended, ${incidents.escalated} needed a person.`,
        `Heals: ${heals.succeeded} helped, ${heals.failed} did not.`,
        `Copies: ${copies.made} made, ${copies.failed} failed; proven: ${copies.proven.map((each) => `${each.of} ${each.count}`).join(', ') || 'none'}.`,
        `Runs: ${runs.succeeded} succeeded, ${runs.failed} failed.`,
        ...incidents.openNow.map((title) => `Open: ${title}`),
      ].join('\n'),
    }),
    asked: {
      path: '/api/v1/automation/reports/weekly',
      columns: ['at', 'incidents', 'open', 'proven', 'failedRuns', 'id'],
      make: 'steward run summarize-week',
      list: {
        name: 'weekly-summaries',
        title: 'Weekly summaries',
        summary: 'Lists the summaries of weeks, newest first.',
        cli: ['weekly', 'summaries'],
      },
      get: {
        name: 'weekly-summary-get',
        title: 'Weekly summary',
        summary: 'Shows what one week brought: incidents, heals, copies and proofs, runs, alerts, uptime, scores.',
        cli: ['weekly', 'summary'],
      },
      file: {
        name: 'weekly-summary-file',
        title: 'Weekly summary as a file',
        summary: 'Gives one weekly summary as a document that opens without a network, or as JSON.',
        cli: ['weekly', 'summary-file'],
      },
    },
  };
}
