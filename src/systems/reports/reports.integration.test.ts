import { mkdir, readFile, readlink, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createExports } from '../../adapters/exports/index.ts';
import { systemActor } from '../../core/actor.ts';
import type { HealthFindings, RestartCounts } from '../../core/health-report.ts';
import type { Incident, NewIncident } from '../../core/incident.ts';
import type { Run } from '../../core/run.ts';
import type { System } from '../../core/system.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { defined } from '../../testing/defined.ts';
import { aResource, type FakeInventory, fakeInventory } from '../../testing/fakes/fake-inventory.ts';
import { memoryLog } from '../../testing/log.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { createReports, reportsMigrations } from './index.ts';

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

describe('reports', () => {
  let database: TestDatabase;
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let reports: System;
  let inventory: FakeInventory;
  let open: Map<string, NewIncident & { status: Incident['status'] }>;
  let runs: Map<string, Partial<Run>>;
  let restarts: Map<string, RestartCounts>;
  let clock: Date;
  const log = memoryLog();

  beforeEach(async () => {
    [database, folder] = await Promise.all([testDatabase({ migrations: reportsMigrations }), tempFolder()]);
    inventory = fakeInventory([]);
    open = new Map();
    runs = new Map();
    restarts = new Map();
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
      render: ({ score }, trend) =>
        `${score}: ${trend.map((each) => `${each.at.toISOString()} ${each.score}`).join(', ')}`,
      settings: () => ({ keepMs: 90 * 86_400_000, keepAgentReportsMs: 7 * 86_400_000, agentRestartFailures: 3 }),
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
  const opened = async (input: object): Promise<string> => {
    const operation = defined(reports.operations.find((each) => each.name === 'health-report-file'));
    if (operation.kind !== 'query' || !operation.download) throw new Error('it gives a file');
    const call = { actor: systemActor('test'), now: clock, from: 'local', requestId: 'r' };
    const { chunks } = await operation.download.open(operation.input.parse(input), call);
    let text = '';
    for await (const chunk of chunks) text += chunk;
    return text;
  };
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
    const output = JSON.parse(JSON.stringify(findings(0))) as Run['output'];
    await ended('run_dry', { output }, { dryRun: true });
    await ended('run_other', { output, node: 'node_2' });
    await ended('run_failed', { output }, { status: 'failed' });
    await ended('run_odd', { output: { score: 'high' } });
    await ended('run_another', { output }, { automation: 'monitor-service' });
    await ended('run_real', { output });
    await ended('run_real', { output });
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

  it('go when they are old, rows and files', async () => {
    await ended('run_1', { output: JSON.parse(JSON.stringify(findings(0))) as Run['output'] });
    await expect.poll(() => files('logs').catch(() => [])).toHaveLength(1);
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
