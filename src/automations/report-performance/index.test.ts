import { describe, expect, it } from 'vitest';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { type FakePorts, fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import { deductionsOf, figuresOf } from './analyze.ts';
import reportPerformance from './index.ts';

const NOW = new Date('2026-03-31T07:00:00Z');
const DAY_MS = 86_400_000;

function machine(): FakePorts {
  const ports = fakePorts({ now: () => NOW });
  const { metrics, health, history } = ports;
  metrics.measure('steward_host_cpu_seconds_total', { mode: 'user' }, () => 1);
  metrics.measure('steward_host_cpu_seconds_total', { mode: 'idle' }, () => 3);
  metrics.measure('steward_host_memory_bytes', {}, () => 1_000);
  metrics.measure('steward_host_memory_available_bytes', {}, () => 600);
  metrics.measure('steward_host_filesystem_bytes', { mount: '/' }, () => 100);
  metrics.measure('steward_host_filesystem_free_bytes', { mount: '/' }, () => 50);
  metrics.measure('steward_check_latency_seconds', { service: 'shop', check: 'http', id: 'c1' }, () => 0.02);
  metrics.measure('steward_check_latency_seconds', { service: 'qa-agent', check: 'http', id: 'c2' }, () => 0.3);
  for (const [id, name] of [
    ['s1', 'shop'],
    ['s2', 'qa-agent'],
  ] as const) {
    health.watch({ resource: aResource({ id, name }), state: 'up', message: '', uptimePercent: 100, kinds: ['http'] });
    history.wasUp(id, 99.95);
  }
  history.happened({ type: 'backup.completed', of: 'crm', count: 7 });
  return ports;
}
const report = async (ports: FakePorts, input = {}) =>
  await performInMemory(reportPerformance, { ports, input, now: () => NOW });

describe('report-performance', () => {
  it('gives 100 to a machine where nothing is short and nothing slow, with the figures of the period', async () => {
    const { status, output } = await report(machine(), { period: 'weekly' });
    expect(status).toBe('succeeded');
    expect(output).toMatchObject({
      period: 'weekly',
      step: '2h',
      score: 100,
      deductions: [],
      agentUptimePercent: 99.95,
      backupSuccessPercent: 100,
      notes: [],
    });
    expect(output?.machine.map(({ measure, mean, p95 }) => [measure, mean, p95])).toEqual([
      ['cpu', 0.25, 0.25],
      ['memory', 0.4, 0.4],
      ['space', 0.5, 0.5],
    ]);
    expect(output?.machine[0]?.points).toHaveLength(85);
    expect(output?.answers.map(({ name, kind, mean, beforeMean }) => [name, kind, mean, beforeMean])).toEqual([
      ['qa-agent (http)', 'agent', 0.3, 0.3],
      ['shop (http)', 'service', 0.02, 0.02],
    ]);
  });

  it('looks back for as long as the configuration says where nobody says it', async () => {
    const ports = machine();
    const monthly = {
      ...ports,
      history: { ...ports.history, settings: async () => ({ period: 'monthly', slowSeconds: 1 }) },
    };
    expect((await report(monthly as FakePorts)).output?.period).toBe('monthly');
  });

  it('takes points for what is short and slow, each with what mends it, and the sum is the score', async () => {
    const ports = machine();
    ports.metrics.measure('steward_host_filesystem_bytes', { mount: '/srv' }, () => 100);
    ports.metrics.measure('steward_host_filesystem_free_bytes', { mount: '/srv' }, () => 5);
    ports.metrics.measure('steward_check_latency_seconds', { service: 'search', check: 'http', id: 'c3' }, (at) =>
      at.getTime() < NOW.getTime() - DAY_MS ? 0.1 : 0.4,
    );
    ports.history.happened({ type: 'backup.failed', of: 'crm', count: 1 });
    ports.history.addDatabase({ source: 'crm', kind: 'postgres', at: NOW, bytes: 1, connectionsPercent: 96 });
    const { output } = await report(ports);
    expect(output?.deductions.map(({ points, reason }) => [points, reason])).toEqual([
      [20, 'Copies could not be made: 87.5 % succeeded.'],
      [8, 'File systems are fuller than 85 %: /srv 95 %.'],
      [5, 'Databases have more than 80 % of their connections in use: crm 96 %.'],
      [3, 'Answers took twice as long as in the period before: search (http) 0.4 s, before 0.1 s.'],
    ]);
    expect(output?.deductions.every(({ fix = '' }) => fix.includes('steward '))).toBe(true);
    expect(output?.score).toBe(64);
  });

  it('says what it could not tell on a machine that nobody measures', async () => {
    const { status, output } = await report(fakePorts({ now: () => NOW }));
    expect(status).toBe('succeeded');
    expect(output?.notes).toHaveLength(3);
    expect(output).not.toHaveProperty('agentUptimePercent');
  });

  it('makes figures of steps in whichever order they come', () => {
    const values = new Map(Array.from({ length: 100 }, (_, index) => [99 - index, 100 - index]));
    expect(figuresOf({ values })).toMatchObject({ mean: 50.5, p95: 95, highest: 100, last: 100 });
    expect(figuresOf({ values: new Map() })).toBeUndefined();
  });

  it('lets no fault that many have take everything', () => {
    const answers = Array.from({ length: 50 }, (_, index) => ({ name: `s${index}`, mean: 40 }));
    const limits = { cpuPercent: 90, memoryPercent: 80, diskPercent: 85, loadPerCore: 2, slowSeconds: 30 };
    const [deduction, ...more] = deductionsOf({ machine: [], answers, uptimes: [], databases: [] }, limits);
    expect(more).toEqual([]);
    expect(deduction).toMatchObject({ points: 20, reason: expect.stringContaining('and 45 more') });
  });
});
