import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { exposition, familiesOf } from './exposition.ts';
import { METRICS, METRIC_NAMES, type Reading, reading } from './metric.ts';

const HOSTILE = 'a "quoted" \\ name\nsteward_forged 1';
const readings: Reading[] = [
  reading('steward_host_cpu_seconds_total', 12.5, { mode: 'user' }),
  reading('steward_host_load1', 0.25),
  reading('steward_check_up', 1, { service: HOSTILE, check: 'http', id: 'chk_1' }),
  // Of one name again: samples of a family have to stand together.
  reading('steward_host_cpu_seconds_total', 1e21, { mode: 'idle' }),
  reading('steward_check_latency_seconds', Number.POSITIVE_INFINITY, { service: '\uD800', check: 'tcp', id: 'chk_2' }),
];

function promtool(text: string): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

describe('what Prometheus reads', () => {
  it('is each family once, with its samples', () => {
    expect(exposition(familiesOf(readings, 'n1'), 'openmetrics').split('\n')).toEqual([
      '# HELP steward_host_cpu_seconds Time of all cores of the machine, by what they did.',
      '# TYPE steward_host_cpu_seconds counter',
      '# UNIT steward_host_cpu_seconds seconds',
      'steward_host_cpu_seconds_total{node="n1",mode="user"} 12.5',
      'steward_host_cpu_seconds_total{node="n1",mode="idle"} 1e+21',
      '# HELP steward_host_load1 Tasks that run or wait to, over a minute.',
      '# TYPE steward_host_load1 gauge',
      'steward_host_load1{node="n1"} 0.25',
      '# HELP steward_check_up What a check said last: 1 well, 0.5 degraded, 0 down; nothing while stopped or unknown.',
      '# TYPE steward_check_up gauge',
      String.raw`steward_check_up{node="n1",service="a \"quoted\" \\ name\nsteward_forged 1",check="http",id="chk_1"} 1`,
      '# HELP steward_check_latency_seconds How long the last answer to a check took.',
      '# TYPE steward_check_latency_seconds gauge',
      '# UNIT steward_check_latency_seconds seconds',
      'steward_check_latency_seconds{node="n1",service="\uFFFD",check="tcp",id="chk_2"} +Inf',
      '# EOF',
      '',
    ]);
  });

  it('is found right by promtool, whatever services are called', () => {
    expect(promtool(exposition(familiesOf(readings, HOSTILE), 'text'))).toEqual({ status: 0, said: '' });
    // It would say so.
    expect(promtool('# TYPE steward_wrong counter\nsteward_wrong 1\n').status).not.toBe(0);
  });

  it('has names and units as Prometheus wants them, for everything that is measured', () => {
    expect(
      promtool(
        exposition(
          familiesOf(
            METRIC_NAMES.map((name) => reading(name, 1)),
            'n1',
          ),
          'text',
        ),
      ),
    ).toEqual({
      status: 0,
      said: '',
    });
    for (const name of METRIC_NAMES) {
      const { type, unit } = METRICS[name];
      expect(name.endsWith('_total')).toBe(type === 'counter');
      if (['seconds', 'bytes', 'celsius'].includes(unit)) expect(name).toContain(`_${unit}`);
    }
  });
});
