import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { METRICS } from '../src/core/metric.ts';

const FOLDER = resolve(import.meta.dirname, '../integrations');
const RULES = join(FOLDER, 'prometheus/steward.rules.yml');

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

function promtool(...args: string[]): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

function metricsIn(text: string): string[] {
  return [...new Set(text.match(/\bsteward_[a-z0-9_]+\b/g))];
}

describe('the alert rules for Prometheus', () => {
  it('are found right by promtool, and alert when they should and only then', () => {
    expect(promtool('check', 'rules', '--lint-fatal', RULES)).toMatchObject({ status: 0 });
    const { status, said } = promtool('test', 'rules', join(FOLDER, 'prometheus/steward.rules.test.yml'));
    expect({ status, said }).toMatchObject({ status: 0, said: expect.stringContaining('SUCCESS') });
  });

  it('ask for nothing that Steward does not measure', () => {
    const used = metricsIn(readFileSync(RULES, 'utf8'));
    expect(used.length).toBeGreaterThan(5);
    expect(used.filter((name) => !(name in METRICS))).toEqual([]);
  });
});

describe('the dashboard for Grafana', () => {
  const { panels } = JSON.parse(readFileSync(join(FOLDER, 'grafana/steward.json'), 'utf8')) as { panels: Panel[] };
  const questions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

  it('asks Prometheus what Prometheus understands, about what Steward measures (Grafana itself was not at hand)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'stw-grafana-'));
    try {
      const rules = questions.map((expr, index) => ({
        record: `question_${index}`,
        expr: expr.replaceAll('$node', '.*'),
      }));
      // YAML takes JSON.
      writeFileSync(join(folder, 'questions.yml'), JSON.stringify({ groups: [{ name: 'grafana', rules }] }));
      const { status, said } = promtool('check', 'rules', join(folder, 'questions.yml'));
      expect({ status, said }).toMatchObject({
        status: 0,
        said: expect.stringContaining(`${questions.length} rules found`),
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    expect(metricsIn(questions.join('\n')).filter((name) => !(name in METRICS))).toEqual([]);
  });
});
