import { describe, expect, it } from 'vitest';
import { atThisHour, judge } from '../../core/performance.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import monitorPerformance from './index.ts';

const NOW = new Date('2026-03-31T10:30:00Z');
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const RECENT_MS = 20 * 60_000;

/** Busy by day and quiet at night, and at the weekend; then what it is lately. */
function rhythm(lately: number, busy: number, quiet: number): (at: Date) => number {
  return (at) => {
    if (NOW.getTime() - at.getTime() < RECENT_MS) return lately;
    const atWork = at.getUTCDay() % 6 !== 0 && at.getUTCHours() >= 8 && at.getUTCHours() < 18;
    return atWork ? busy : quiet;
  };
}

async function look(input: object, furnish: (ports: ReturnType<typeof fakePorts>) => void) {
  const ports = fakePorts({ now: () => NOW });
  furnish(ports);
  return await performInMemory(monitorPerformance, { ports, input, now: () => NOW });
}

const latency =
  (valueAt: (at: Date) => number | undefined, service = 'api') =>
  (ports: ReturnType<typeof fakePorts>) =>
    ports.metrics.measure('steward_check_latency_seconds', { service, check: 'http', id: 'chk_1' }, valueAt);

describe('monitor-performance', () => {
  it('finds what is twice what it usually is at this hour of the week, and nothing where the hour is always busy', async () => {
    const slow = await look({ metrics: ['response-time'] }, latency(rhythm(0.5, 0.2, 0.05)));
    expect(slow.output).toMatchObject({
      normal: false,
      findings: [
        { metric: 'response-time', subject: 'api (http)', state: 'above', value: 0.5, usual: 0.2, times: 2.5 },
      ],
    });

    // Four times the night, and as on every Tuesday.
    const busy = await look({ metrics: ['response-time'] }, latency(rhythm(0.21, 0.2, 0.05)));
    expect(busy.output).toMatchObject({ normal: true, findings: [{ state: 'normal' }] });
  });

  it('says that there is not enough history until this hour is known from a week before', async () => {
    const young = await look(
      {},
      latency((at) => (NOW.getTime() - at.getTime() < 5 * DAY_MS ? 0.2 : undefined)),
    );
    expect(young.output?.findings.find(({ metric }) => metric === 'response-time')).toMatchObject({
      state: 'not-enough-history',
      message: expect.stringMatching(/^Not enough history yet/),
    });
    expect(young.output?.findings.find(({ metric }) => metric === 'cpu')?.state).toBe('not-measured');
    expect(young.output?.note).toBe('Not enough history yet for 1.');
  });

  it('reads cores, memory, disks and interfaces as shares and rates', async () => {
    const { output } = await look({ auto_scale: true }, ({ metrics }) => {
      for (const [mode, usual, lately] of [
        ['user', 0.4, 1.4],
        ['idle', 1.6, 0.6],
      ] as const)
        metrics.measure('steward_host_cpu_seconds_total', { mode }, rhythm(lately, usual, usual));
      metrics.measure('steward_host_memory_bytes', {}, () => 1_000);
      metrics.measure('steward_host_memory_available_bytes', {}, rhythm(100, 600, 600));
      metrics.measure('steward_host_disk_busy_seconds_total', { device: 'sda' }, rhythm(0.1, 0.01, 0.01));
      metrics.measure('steward_host_network_received_bytes_total', { interface: 'eth0' }, rhythm(3e6, 1e6, 1e6));
      metrics.measure('steward_host_network_sent_bytes_total', { interface: 'eth0' }, rhythm(1e6, 1e6, 1e6));
    });
    const found = Object.fromEntries((output?.findings ?? []).map(({ metric, ...rest }) => [metric, rest]));

    expect(found['cpu']).toMatchObject({ state: 'above', value: 0.7, usual: 0.2, times: 3.5 });
    expect(found['memory']).toMatchObject({ state: 'above', value: 0.9, usual: 0.4 });
    // Ten times the usual, and nothing anybody would notice.
    expect(found['disk']).toMatchObject({ subject: 'sda', state: 'normal', times: 10 });
    expect(found['network']).toMatchObject({ subject: 'eth0', state: 'above', value: 4e6, times: 2 });
    expect(output?.note).toMatch(/Nothing was scaled/);
  });

  it('says that nothing was measured where nothing has what was asked for, and does not fail', async () => {
    const run = await look({ metrics: ['response-time', 'network'] }, () => undefined);
    expect(run.status).toBe('succeeded');
    expect(run.output?.findings.map(({ metric, state }) => `${metric} ${state}`)).toEqual([
      'response-time not-measured',
      'network not-measured',
    ]);
  });

  it.each([{ baseline: '3d' }, { alert_threshold: 'double' }, { metrics: ['gpu'] }])('refuses %o', (input) => {
    expect(monitorPerformance.input.safeParse(input).success).toBe(false);
  });
});

describe('what is above', () => {
  const limits = { least: 0.05, times: 2, unit: 'seconds' };

  it('is also what never strays so far, but not what is only a little more, or always wild', () => {
    expect(judge(0.16, [0.1, 0.101, 0.099], limits).state).toBe('above');
    expect(judge(0.11, [0.1, 0.1, 0.1], limits).state).toBe('normal');
    expect(judge(0.18, [0.05, 0.1, 0.17], limits).state).toBe('normal');
    expect(judge(0.04, [0.001, 0.001, 0.001], limits).state).toBe('normal');
    expect(judge(0.2, [0, 0, 0], limits)).toMatchObject({ state: 'above', usual: 0 });
  });

  it('is compared with the same hour of the weeks before and the hours beside it', () => {
    const hours = new Map(Array.from({ length: 15 * 24 }, (_, ago) => [NOW.getTime() - ago * HOUR_MS, ago] as const));
    expect(atThisHour(hours, NOW)).toEqual([167, 168, 169, 335, 336, 337]);
  });
});
