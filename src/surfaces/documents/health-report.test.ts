import { describe, expect, it } from 'vitest';
import type { HealthFindings } from '../../core/health-report.ts';
import { healthReportHtml } from './health-report.ts';

const at = new Date('2026-03-31T06:00:00Z');
const HOSTILE = '</td><script>alert(1)</script>\u0000';
const report = (more: Partial<HealthFindings> = {}): HealthFindings => ({
  at,
  node: 'web-1',
  score: 87.5,
  deductions: [{ points: 12.5, reason: `shop is down ${HOSTILE}` }],
  critical: false,
  failed: 1,
  warnings: 2,
  thresholds: { criticalFailures: 5, renewalDays: 30 },
  items: [
    { group: 'services', name: 'ledger', state: 'ok', message: 'answered in 3 ms', critical: false },
    { group: 'services', name: 'shop', state: 'failed', message: HOSTILE, critical: true },
    { group: 'certificates', name: 'example.org', state: 'warning', message: 'expires in 12 days', critical: false },
  ],
  ...more,
});
const textOf = (html: string): string =>
  html
    .replaceAll(/<style>.*?<\/style>/gs, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ');

describe('a health report as a document', () => {
  it('has the figures of the report, what failed first', () => {
    const html = healthReportHtml(report(), [{ at, score: 87.5 }]);
    const text = textOf(html);

    for (const said of [
      '1 check failed, 2 warnings.',
      '87.5 of 100',
      '−12.5',
      'expires in 12 days',
      '3 checks: 1 failed, 1 warning, 1 as it should be',
    ])
      expect(text).toContain(said);
    expect(html.indexOf('shop (critical)')).toBeLessThan(html.indexOf('ledger'));
    // One score is no line.
    expect(html).not.toContain('<polyline');
  });

  it('draws the scores before it', () => {
    const day = (days: number): Date => new Date(at.getTime() - days * 86_400_000);
    const html = healthReportHtml(report(), [
      { at: day(2), score: 100 },
      { at: day(1), score: 50 },
      { at, score: 87.5 },
    ]);

    expect(html).toContain('points="0.0,0.0 160.0,40.0 320.0,10.0"');
    expect(html).toContain('from 100 (2026-03-29 06:00 UTC) to 87.5');
  });

  it('asks no other address, and leaves text text', () => {
    const html = healthReportHtml(report(), []);

    expect(html).not.toMatch(/<script|<link|(?:src|href)=|url\(|@import/);
    expect(html).not.toContain('\0');
    expect(html).toContain('&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;\ufffd');
  });

  it('says when nothing is wrong, and when it is critical', () => {
    const fine = report({ failed: 0, warnings: 0, deductions: [], items: [], score: 100 });
    expect(textOf(healthReportHtml(fine, []))).toContain('Everything is as it should be.');
    expect(textOf(healthReportHtml(report({ critical: true, failed: 5 }), []))).toContain('Critical: 5 checks failed.');
  });
});
