import { mkdir, readFile, readlink, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createExports } from '../../adapters/exports/index.ts';
import { systemActor } from '../../core/actor.ts';
import type { HealthFindings, RestartCounts } from '../../core/health-report.ts';
import type { Incident, NewIncident } from '../../core/incident.ts';
import type { PerformanceReport } from '../../core/performance-report.ts';
import type { Run } from '../../core/run.ts';
import type { WeeklySummary } from '../../core/weekly-summary.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { defined } from '../../testing/defined.ts';
import { aResource, type FakeInventory, fakeInventory } from '../../testing/fakes/fake-inventory.ts';
import { memoryLog } from '../../testing/log.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import type { ReportMessage, ReportsSettings } from './deps.ts';
import { createReports, type Reports, reportsMigrations } from './index.ts';

const AT = new Date('2026-03-31T06:00:00Z');
const findings = (failed: number, at = AT): HealthFindings => ({
  at,
  node: 'n1',
  score: 100 - 10 * failed,
  deductions: [],
  critical: failed >= 5,
  failed,
  warnings: 0,
  thresholds: { criticalFailures: 5, renewalDays: 30 },
  items: Array.from({ length: failed }, (_, index) => ({
    group: 'services' as const,
    name: `broken-${index}\u001b[31m`,
    state: 'failed' as const,
    message: 'down:\nno answer',
    critical: false,
  })),
});

const figures = { mean: 0.5, p95: 0.9, highest: 0.95, last: 0.4, points: [{ at: AT, value: 0.5 }] };
const performed = (more: Partial<PerformanceReport> = {}): PerformanceReport => ({
  at: AT,
  node: 'n1',
  period: 'daily',
  from: new Date(AT.getTime() - 86_400_000),
  to: AT,
  step: '15m',
  score: 90,
  deductions: [{ points: 10, reason: 'Cores were busy.', fix: 'Look at what ran.' }],
  backupSuccessPercent: 87.5,
  machine: [{ measure: 'cpu', subject: 'machine', unit: 'share of the cores', ...figures }],
  answers: [],
  usage: [],
  uptimes: [],
  databases: [],
  notes: [],
  ...more,
});
const week: WeeklySummary = {
  at: AT,
  node: 'n1',
  from: new Date(AT.getTime() - 7 * 86_400_000),
  to: AT,
  incidents: { opened: 3, resolved: 2, escalated: 1, openNow: ['shop is down'] },
  heals: { succeeded: 2, failed: 0 },
  copies: { made: 28, failed: 0, proven: [{ of: 'crm', count: 7 }], unsound: [] },
  runs: { succeeded: 40, failed: 1, byAutomation: [] },
  alerts: { delivered: [], failed: [] },
  interventions: [],
  uptimes: [],
  scores: [],
};
const output = (report: object): Run['output'] => JSON.parse(JSON.stringify(report)) as Run['output'];

describe('reports', () => {
  let database: TestDatabase;
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let reports: Reports;
  let inventory: FakeInventory;
  let open: Map<string, NewIncident & { status: Incident['status'] }>;
  let runs: Map<string, Partial<Run>>;
  let restarts: Map<string, RestartCounts>;
  let clock: Date;
  let format: ReportsSettings['format'];
  let send: ReportsSettings['send'];
  let sent: Map<string, ReportMessage>;
  const log = memoryLog();

  beforeEach(async () => {
    [database, folder] = await Promise.all([testDatabase({ migrations: reportsMigrations }), tempFolder()]);
    inventory = fakeInventory([]);
    open = new Map();
    runs = new Map();
    restarts = new Map();
    sent = new Map();
    [format, send] = ['both', []];
    clock = AT;
    reports = createReports({
      store: database.store,
      runs: { get: async (id) => runs.get(id) as Run | undefined },
      incidents: {
        open: async (incident) => {
          open.set(incident.fingerprint, { ...incident, status: 'open' });
          return { id: incident.fingerprint } as Incident;
        },
        byFingerprint: async (fingerprint) => {
          const found = open.get(fingerprint);
          return found && ({ id: fingerprint, status: found.status } as Incident);
        },
        resolve: async (id) => void (defined(open.get(id)).status = 'resolved'),
      },
      inventory,
      monitor: {
        all: async () => [
          {
            resourceId: 'svc_agent001',
            state: 'up',
            since: AT,
            consecutiveFailures: 0,
            checks: [{ id: 'c', kind: 'http', state: 'up', at: AT, consecutiveFailures: 0 }],
          },
        ],
      },
      responseTimes: async () => new Map([['svc_agent001', { p50: 12, p95: 80, max: 95.5, samples: 1_440 }]]),
      uptimes: async () => new Map([['svc_agent001', 99.5]]),
      restarts: async () => restarts,
      exports: createExports(folder.path),
      render: {
        health: ({ score }, trend) =>
          `${score}: ${trend.map((each) => `${each.at.toISOString()} ${each.score}`).join(', ')}`,
        performance: ({ score }, trend) => `${score}: ${trend.map((each) => each.score).join(', ')}`,
        weekly: ({ incidents }) => `${incidents.opened}`,
      },
      send: async (message) => void sent.set(message.id, message),
      settings: () => ({
        keepMs: 90 * 86_400_000,
        keepAgentReportsMs: 7 * 86_400_000,
        agentRestartFailures: 3,
        format,
        send,
      }),
      node: { id: 'node_1', name: 'n1' },
      now: () => clock,
      log,
    });
    await reports.start();
  });
  afterEach(async () => {
    await reports.stop();
    await Promise.all([database.drop(), folder.remove()]);
  });

  const ended = async (id: string, run: Partial<Run>, more: object = {}): Promise<void> => {
    runs.set(id, { node: 'node_1', ...run });
    await database.store.db.transaction().execute(async (trx) => {
      await database.store.events.append(trx, {
        type: 'run.finished',
        data: { runId: id, automation: 'daily-health-check', status: 'succeeded', dryRun: false, ...more },
      });
    });
  };
  const ask = async <T>(name: string, input: object): Promise<T> => {
    const operation = defined(reports.operations.find((each) => each.name === name));
    const call = { actor: systemActor('test'), now: clock, from: 'local', requestId: 'r' };
    return operation.output.parse(await operation.handle(operation.input.parse(input), call)) as T;
  };
  const downloaded = async (name: string, input: object): Promise<string> => {
    const operation = defined(reports.operations.find((each) => each.name === name));
    if (operation.kind !== 'query' || !operation.download) throw new Error('it gives a file');
    const call = { actor: systemActor('test'), now: clock, from: 'local', requestId: 'r' };
    const { chunks } = await operation.download.open(operation.input.parse(input), call);
    let text = '';
    for await (const chunk of chunks) text += chunk;
    return text;
  };
  const opened = (input: object): Promise<string> => downloaded('health-report-file', input);
  const list = async () => (await ask<{ items: { id: string; failed: number }[] }>('health-reports', {})).items;
  const files = async (name: string) => (await readdir(join(folder.path, name))).toSorted();

  it('keep what a run found, in the store and as files of the promised names', async () => {
    await ended('run_1', { output: JSON.parse(JSON.stringify(findings(1))) as Run['output'] });
    await expect.poll(list).toMatchObject([{ id: 'hr_1', failed: 1 }]);
    await expect.poll(() => files('logs').catch(() => [])).toEqual(['daily_health_check_20260331_060000.log']);
    expect(await files('reports')).toEqual([
      'daily_health_report_20260331_060000.html',
      'daily_health_report_20260331_060000.json',
      'latest_health_report.html',
      'latest_health_report.json',
    ]);
    expect(await readlink(join(folder.path, 'reports/latest_health_report.json'))).toBe(
      'daily_health_report_20260331_060000.json',
    );
    expect(JSON.parse(await readFile(join(folder.path, 'reports/latest_health_report.json'), 'utf8'))).toMatchObject({
      score: 90,
      node: 'n1',
    });
    const lines = (await readFile(join(folder.path, 'logs/daily_health_check_20260331_060000.log'), 'utf8'))
      .trim()
      .split('\n');
    expect(lines).toEqual([
      '2026-03-31T06:00:00.000Z health of n1: score 90, 1 failed, 0 warnings',
      '2026-03-31T06:00:00.000Z FAIL services: broken-0 [31m: down: no answer',
    ]);
    const page = `90: ${AT.toISOString()} 90`;
    expect(await readFile(join(folder.path, 'reports/latest_health_report.html'), 'utf8')).toBe(page);
    expect(await opened({ id: 'latest' })).toBe(page);
    expect(JSON.parse(await opened({ id: 'hr_1', format: 'json' }))).toEqual(JSON.parse(JSON.stringify(findings(1))));
    expect(await ask('health-report-get', { id: 'latest' })).toMatchObject({ id: 'hr_1', runId: 'run_1', failed: 1 });
    await expect(ask('health-report-get', { id: 'hr_2' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect((await database.store.events.read({ types: ['report.written'] })).map(({ data }) => data)).toEqual([
      { report: 'health', score: 90, failed: 1, warnings: 0, critical: false },
    ]);
  });

  it('are one incident while they are critical, which ends with the next that is not', async () => {
    await ended('run_1', { output: JSON.parse(JSON.stringify(findings(5))) as Run['output'] });
    await expect
      .poll(() => open.get('report.critical:health:n1'))
      .toMatchObject({
        severity: 'critical',
        status: 'open',
        title: 'The health report of n1 is critical: 5 checks failed, score 50',
      });
    await ended('run_2', { output: JSON.parse(JSON.stringify(findings(2))) as Run['output'] });
    await expect.poll(() => open.get('report.critical:health:n1')?.status).toBe('resolved');
  });

  it('are kept once, of this node, of real runs that made one', async () => {
    const kept = output(findings(0));
    await ended('run_dry', { output: kept }, { dryRun: true });
    await ended('run_other', { output: kept, node: 'node_2' });
    await ended('run_failed', { output: kept }, { status: 'failed' });
    await ended('run_odd', { output: { score: 'high' } });
    await ended('run_another', { output: kept }, { automation: 'monitor-service' });
    await ended('run_real', { output: kept });
    await ended('run_real', { output: kept });
    await expect.poll(list).toMatchObject([{ id: 'hr_real' }]);
    await ended('run_last', {
      output: JSON.parse(JSON.stringify(findings(0, new Date(AT.getTime() + 1_000)))) as Run['output'],
    });
    await expect.poll(async () => (await list()).map(({ id }) => id)).toEqual(['hr_last', 'hr_real']);
  });

  it('are in the store also where their files cannot be written', async () => {
    await writeFile(join(folder.path, 'reports'), 'in the way');
    await ended('run_1', { output: JSON.parse(JSON.stringify(findings(6))) as Run['output'] });
    await expect.poll(list).toHaveLength(1);
    await expect.poll(() => open.has('report.critical:health:n1')).toBe(true);
    await rm(join(folder.path, 'reports'));
  });

  it('of agents tell state, response times and restarts, under a name that is safe', async () => {
    inventory.put(
      aResource({ id: 'svc_agent001', name: '../qa agent', node: 'node_1', labels: { 'steward.agent': 'true' } }),
    );
    inventory.put(aResource({ id: 'svc_db', name: 'orders', node: 'node_1' }));
    restarts.set('svc_agent001', { succeeded: 1, failed: 2 });
    const job = defined(reports.jobs.find(({ name }) => name === 'agent-monitoring'));
    const run = async () => await job.run({ now: clock, signal: new AbortController().signal });
    await run();
    const [file = ''] = await files('data/agent-monitor');
    expect(file).toBe('qa_agent-agent001.json');
    expect(JSON.parse(await readFile(join(folder.path, 'data/agent-monitor', file), 'utf8'))).toMatchObject({
      agent: '../qa agent',
      state: 'up',
      uptimePercent: 99.5,
      responseMs: { p50: 12, p95: 80, max: 95.5, samples: 1_440 },
      restarts: { succeeded: 1, failed: 2 },
      lastCheckedAt: AT.toISOString(),
    });
    expect(await files('logs')).toEqual(['agent_monitoring_report_20260331_060000.json']);
    expect(await ask('agents', {})).toMatchObject([{ agent: '../qa agent', node: 'node_1' }]);
    expect(open.size).toBe(0);

    restarts.set('svc_agent001', { succeeded: 1, failed: 3 });
    await run();
    expect(open.get('agent.restarts-failing:svc_agent001')).toMatchObject({ severity: 'critical', status: 'open' });
    restarts.delete('svc_agent001');
    await run();
    expect(open.get('agent.restarts-failing:svc_agent001')?.status).toBe('resolved');
  });

  it('of performance have the promised names and the score, and their files say what the API answers', async () => {
    await ended('run_p', { output: output(performed()) }, { automation: 'report-performance' });
    await expect
      .poll(() => files('reports/performance').catch(() => []))
      .toEqual([
        'latest_performance_report.html',
        'latest_performance_report.json',
        'performance_report_daily_20260331_060000.html',
        'performance_report_daily_20260331_060000.json',
      ]);
    const text = await readFile(join(folder.path, 'reports/performance/latest_performance_report.json'), 'utf8');
    const { performance_score: score, ...file } = JSON.parse(text) as { performance_score: number };
    expect(score).toBe(90);
    const { id, runId, ...answered } = await ask<{ id: string; runId: string }>('performance-report-get', {
      id: 'latest',
    });
    expect([id, runId]).toEqual(['pr_p', 'run_p']);
    expect(file).toEqual(JSON.parse(JSON.stringify(answered)));
    expect(await downloaded('performance-report-file', { id: 'pr_p', format: 'json' })).toBe(text);
    expect((await ask<{ items: object[] }>('performance-reports', {})).items).toEqual([
      { id: 'pr_p', node: 'n1', at: AT, score: 90, period: 'daily', backupSuccessPercent: 87.5, runId: 'run_p' },
    ]);
    expect(await list()).toEqual([]);
    await expect(ask('health-report-get', { id: 'pr_p' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('of a week stand in no line of scores of days', async () => {
    const at = (hours: number): Date => new Date(AT.getTime() + hours * 3_600_000);
    for (const [index, period] of (['daily', 'weekly', 'daily'] as const).entries())
      await ended(
        `run_${index}`,
        { output: output(performed({ period, at: at(index), score: 90 + index })) },
        { automation: 'report-performance' },
      );
    await expect.poll(() => downloaded('performance-report-file', { id: 'pr_2' }).catch(() => '')).toBe('92: 90, 92');
    expect(await downloaded('performance-report-file', { id: 'pr_1' })).toBe('91: 91');
    expect((await reports.scores({ from: AT, to: at(9) })).map(({ score }) => score)).toEqual([90, 92]);
  });

  it('of the week are kept without a score', async () => {
    await ended('run_w', { output: output(week) }, { automation: 'summarize-week' });
    await expect
      .poll(async () => (await ask<{ items: object[] }>('weekly-summaries', {})).items)
      .toEqual([{ id: 'ws_w', node: 'n1', at: AT, incidents: 3, open: 1, proven: 7, failedRuns: 1, runId: 'run_w' }]);
    await expect.poll(() => files('reports/weekly').catch(() => [])).toContain('latest_weekly_summary.html');
  });

  it('are sent where that is wished, and written in the format that is wished', async () => {
    [format, send] = ['json', ['performance']];
    await ended('run_w', { output: output(week) }, { automation: 'summarize-week' });
    await ended('run_p', { output: output(performed()) }, { automation: 'report-performance' });
    await expect.poll(() => files('reports/performance').catch(() => [])).toHaveLength(2);
    expect(await files('reports/weekly')).toEqual([
      'latest_weekly_summary.json',
      'weekly_summary_20260331_060000.json',
    ]);
    expect([...sent.values()]).toEqual([
      {
        id: 'pr_p',
        at: AT,
        title: 'Performance of n1, daily: 90 of 100',
        text: '-10 Cores were busy. Look at what ran.\n\nCores in use: 50 %, at most 95 %\nCopies that succeeded: 87.5 %',
        path: '/api/v1/automation/reports/performance/pr_p/file',
        attachments: [
          {
            fileName: 'performance_report_daily_20260331_060000.html',
            contentType: 'text/html; charset=utf-8',
            content: '90: 90',
          },
        ],
      },
    ]);
  });

  it('that an earlier version kept are still there', async () => {
    const db = database.store.db.withTables<{ reports: Record<string, unknown> }>();
    await sql`drop table reports, health_reports`.execute(db);
    const [first, second] = reportsMigrations;
    await sql`drop table agent_states`.execute(db);
    await defined(first).up(database.store.db);
    await sql`insert into health_reports (id, node, node_name, run_id, at, score, failed, warnings, critical, findings)
      values ('hr_old', 'node_1', 'n1', 'run_old', ${AT}, 80, 2, 0, false, ${JSON.stringify(findings(2))}::jsonb)`.execute(
      db,
    );
    await defined(second).up(database.store.db);
    expect(await list()).toMatchObject([{ id: 'hr_old', failed: 2, score: 80, critical: false }]);
    expect(await ask('health-report-get', { id: 'hr_old' })).toMatchObject({ failed: 2, runId: 'run_old' });
  });

  it('go when they are old, rows and files', async () => {
    await ended('run_1', { output: JSON.parse(JSON.stringify(findings(0))) as Run['output'] });
    await expect.poll(() => files('logs').catch(() => [])).toEqual(['daily_health_check_20260331_060000.log']);
    await mkdir(join(folder.path, 'data/agent-monitor'), { recursive: true });
    for (const path of [
      'reports/daily_health_report_20260331_060000.html',
      'reports/daily_health_report_20260331_060000.json',
      'logs/daily_health_check_20260331_060000.log',
    ])
      await utimes(join(folder.path, path), AT, AT);
    await writeFile(join(folder.path, 'logs/mine.log'), 'kept');
    await utimes(join(folder.path, 'logs/mine.log'), AT, AT);
    clock = new Date(AT.getTime() + 91 * 86_400_000);
    const job = defined(reports.jobs.find(({ name }) => name === 'reports-retention'));
    await job.run({ now: clock, signal: new AbortController().signal });
    expect(await list()).toEqual([]);
    expect(await files('logs')).toEqual(['mine.log']);
    expect(await files('reports')).toEqual(['latest_health_report.html', 'latest_health_report.json']);
  });
});
