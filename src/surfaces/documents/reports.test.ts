import { describe, expect, it } from 'vitest';
import { PerformanceReport } from '../../core/performance-report.ts';
import { WeeklySummary } from '../../core/weekly-summary.ts';
import { performanceReportHtml } from './performance-report.ts';
import { weeklySummaryHtml } from './weekly-summary.ts';

const at = new Date('2026-03-31T07:00:00Z');
const HOSTILE = '</td><script>alert(1)</script>\u0000';
const points = [0.2, 0.4, 0.9].map((value, index) => ({ at: new Date(at.getTime() + index * 900_000), value }));
const figures = { mean: 0.5, p95: 0.9, highest: 0.9, last: 0.9, points };
const report = PerformanceReport.parse({
  at,
  node: 'web-1',
  period: 'weekly',
  from: new Date(at.getTime() - 7 * 86_400_000),
  to: at,
  step: '2h',
  score: 82,
  deductions: [{ points: 18, reason: `slow ${HOSTILE}`, fix: 'steward changes shows why.' }],
  agentUptimePercent: 99.9,
  backupSuccessPercent: 87.5,
  machine: [
    { measure: 'cpu', subject: 'machine', unit: 'share of the cores', ...figures },
    { measure: 'network', subject: 'eth0', unit: 'bytes a second', ...figures, mean: 2_097_152 },
  ],
  answers: [{ name: HOSTILE, kind: 'agent', beforeMean: 0.2, ...figures }],
  usage: [
    {
      name: `web ${HOSTILE}`,
      by: 'container',
      cores: { mean: 0.25, highest: 1.5, beforeMean: 0.125 },
      memoryBytes: { mean: 3_221_225_472, highest: 3_221_225_472 },
    },
    { name: 'nginx.service', by: 'unit', memoryBytes: { mean: 10_485_760, highest: 10_485_760 } },
  ],
  uptimes: [{ service: 'shop', kind: 'service', percent: 99.982 }],
  databases: [
    {
      source: 'crm',
      kind: 'postgres',
      at,
      bytes: 5_368_709_120,
      connectionsPercent: 12,
      cacheHitPercent: 99.1,
      slowest: { statement: `select ${HOSTILE}`, meanMs: 812.4, calls: 40 },
    },
  ],
  notes: ['No copy was begun in this period.'],
});
const week = WeeklySummary.parse({
  at,
  node: 'web-1',
  from: at,
  to: at,
  incidents: { opened: 3, resolved: 2, escalated: 1, openNow: [HOSTILE] },
  heals: { succeeded: 2, failed: 0 },
  copies: { made: 28, failed: 1, proven: [{ of: 'crm', count: 7 }], unsound: [] },
  runs: { succeeded: 40, failed: 1, byAutomation: [{ automation: 'backup', succeeded: 28, failed: 1 }] },
  alerts: { delivered: [{ of: 'mail', count: 5 }], failed: [] },
  interventions: [{ of: 'restart-service', count: 2 }],
  uptimes: [{ service: 'shop', percent: 99.5 }],
  scores: [
    {
      report: 'health',
      node: 'web-1',
      lowest: 80,
      last: 95,
      points: points.map((each) => ({ at: each.at, score: 80 })),
    },
  ],
});
const textOf = (html: string): string =>
  html
    .replaceAll(/<style>.*?<\/style>/gs, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ');

describe('reports as documents', () => {
  it.each([
    [
      'of performance',
      performanceReportHtml(report, [
        { at: new Date(at.getTime() - 86_400_000), score: 90 },
        { at, score: 82 },
      ]),
      [
        '82 of 100',
        '−18',
        'steward changes shows why.',
        '99.9 %',
        '87.5 %',
        'Cores in use 50 % 90 % 90 %',
        'Network, eth0 2 MiB/s',
        '500 ms 200 ms 900 ms',
        '0.25 0.125 1.5 3 GiB 3 GiB',
        'Units and processes that took most cores before highest memory before highest nginx.service 10 MiB',
        '99.982 %',
        'crm (postgres)',
        '812 ms, 40 times',
        '5 GiB 12 % 99.1 %',
        'No copy was begun',
      ],
    ],
    [
      'of the week',
      weeklySummaryHtml(week),
      [
        '3 began, 2 ended, 1 needed a person',
        '7 proven',
        'crm 7',
        'backup 28 1',
        'mail 5',
        'Migrations, restores, restarts times restart-service 2',
        'shop 99.5 %',
        'health, web-1 80 95',
      ],
    ],
  ])('%s have the figures, draw them, and let nothing in', (_, html, said) => {
    const text = textOf(html);
    for (const each of said) expect(text).toContain(each);
    expect(html).toContain('<polyline');
    expect(html).not.toContain('<script');
    expect(html).not.toContain('\u0000');
    // Opens from a disk: it names no other address.
    expect(html).not.toMatch(/(src|href)=|url\(|@import|https?:/);
  });
});
