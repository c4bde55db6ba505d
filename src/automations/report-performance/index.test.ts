import { describe, expect, it } from 'vitest';
import type { Resource } from '../../core/resource.ts';
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

  it('names what took most, containers apart, with what it took in the period before', async () => {
    const ports = machine();
    const add = (id: string, supervisor: Resource['supervisor'], cores: (at: Date) => number, bytes: number): void => {
      ports.inventory.put(aResource({ id, name: `n-${id}`, supervisor }));
      const labels = { service: `n-${id}`, id };
      ports.metrics.measure('steward_service_cpu_seconds_total', labels, cores);
      ports.metrics.measure('steward_service_memory_bytes', labels, () => bytes);
    };
    const docker = (name: string) => ({ kind: 'docker', container: name, name }) as const;
    add('web', docker('web'), (at) => (at.getTime() < NOW.getTime() - DAY_MS ? 0.5 : 2), 1_000);
    // Ten others with more cores and less memory than the last, and one that takes least of both.
    for (let index = 0; index < 10; index += 1) add(`c${index}`, docker(`c${index}`), () => 1, 10);
    add('cache', docker('cache'), () => 0.1, 5_000);
    add('idle', docker('idle'), () => 0, 1);
    add('nginx', { kind: 'systemd', unit: 'nginx.service', scope: 'system' }, () => 0.2, 300);
    const { output } = await report(ports, { period: 'daily' });
    const named = output?.usage.map(({ name, by }) => `${name} ${by}`) ?? [];
    expect(named).toHaveLength(12);
    expect([named[0], named.at(-2), named.at(-1)]).toEqual(['n-web container', 'n-cache container', 'n-nginx unit']);
    expect(named).not.toContain('n-c9 container');
    expect(named).not.toContain('n-idle container');
    expect(output?.usage[0]).toMatchObject({
      id: 'web',
      cores: { mean: 2, highest: 2, beforeMean: 0.5 },
      memoryBytes: { mean: 1_000, highest: 1_000, beforeMean: 1_000 },
    });
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
    expect(output?.notes).toHaveLength(4);
    expect(output).not.toHaveProperty('score');
    expect(output).not.toHaveProperty('agentUptimePercent');
  });

  it('gives no score while less than a quarter of the period was measured, and says so', async () => {
    const ports = fakePorts({ now: () => NOW });
    const since = (ms: number) => (at: Date) => (at.getTime() >= NOW.getTime() - ms ? 90 : undefined);
    ports.metrics.measure('steward_host_memory_bytes', {}, () => 100);
    ports.metrics.measure('steward_host_memory_available_bytes', {}, since(DAY_MS / 4 - 900_000));
    const young = await report(ports, { period: 'daily' });
    expect(young.status).toBe('succeeded');
    expect(young.output).not.toHaveProperty('score');
    expect(young.output?.notes[0]).toBe('Not enough history yet: 5h45m of 1d were measured, and a score takes 6h.');
    ports.metrics.measure('steward_host_memory_available_bytes', {}, since(DAY_MS / 4));
    expect((await report(ports, { period: 'daily' })).output).toMatchObject({ score: 100, measuredFor: '6h' });
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
