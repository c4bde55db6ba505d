import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningProgram, startProgram } from '../src/testing/world/start-program.ts';
import { adminApi, type Api } from './kit/api.ts';
import {
  eventually,
  freePort,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  steward,
  stewardJson,
} from './kit/steward.ts';

interface Range {
  readonly unit: string;
  readonly resolution: string;
  readonly series: readonly {
    readonly node: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly last?: number;
    readonly points: readonly { readonly at: string; readonly count: number; readonly avg: number }[];
  }[];
}

let home: string;
let running: RunningSteward;
let api: Api;
let scraping: string;

beforeAll(async () => {
  home = makeHome('discovery: { enabled: false }\nhealing: { enabled: false }\nnode: { name: alpha }\n');
  running = await startSteward({ home });
  ({ api } = await adminApi(running));
  const only = ['--role', 'viewer', '--name', 'prometheus', '--only', 'metrics'];
  ({ token: scraping } = await stewardJson<{ token: string }>(home, ['token', 'create', ...only]));
});

afterAll(async () => {
  await running.stop();
  await removeHome(home);
});

const scrape = (token: string | undefined, accept = '*/*'): Promise<Response> =>
  fetch(`${running.url}/metrics`, { headers: { accept, ...(token && { authorization: `Bearer ${token}` }) } });

describe('what is measured', () => {
  it('is kept, and shown by the API and the command line', async () => {
    const shown = await eventually(
      'two values of the load',
      async () => {
        const range = await api.get<Range>('metric-range?name=steward_host_load1&last=5m');
        const count = range.series[0]?.points.reduce((sum, point) => sum + point.count, 0) ?? 0;
        return count >= 2 ? range : undefined;
      },
      45_000,
    );
    expect(shown).toMatchObject({ unit: 'count', resolution: 'raw', series: [{ node: 'alpha', labels: {} }] });

    const checks = await api.get<Range>('metric-range?name=steward_check_up&service=alpha');
    expect(checks.series.map(({ labels }) => labels['check'])).toEqual(
      expect.arrayContaining(['disk', 'inodes', 'load', 'memory']),
    );
    const own = await stewardJson<Range>(home, ['metrics', 'show', 'steward_process_resident_memory_bytes']);
    expect(own.series[0]?.last).toBeGreaterThan(50_000_000);
    const { stdout } = await steward(home, ['metrics', 'list', '--name', 'steward_store_bytes']);
    expect(stdout).toMatch(/steward_store_bytes +- +alpha +bytes/);
    const { items } = await api.get<{ items: { mount: string; message: string }[] }>('disk-forecast');
    expect(items.length).toBeGreaterThan(0);
    expect(items[0]?.message).toMatch(/^Not enough history yet/);
  });

  it.each([
    ['name=steward_host_laod1', 'name'],
    ['name=steward_host_load1&last=1h&from=2026-01-01T00:00:00Z', 'expected either last or from'],
    ['name=steward_host_load1&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 'expected a time before'],
    ['name=steward_host_load1&labels=mode', 'expected label=value'],
    ['name=steward_host_load1&service=nobody', "no service 'nobody'"],
    ['name=steward_host_cpu_seconds_total&last=7d&step=15s', 'points of 8 series'],
  ])('is not shown where the question is wrong: %s', async (question, said) => {
    await expect(api.get(`metric-range?${question}`)).rejects.toThrow(said);
  });
});

describe('GET /metrics', () => {
  it('takes a token that may read, and nothing else', async () => {
    expect((await scrape(undefined)).status).toBe(401);
    const only = ['--role', 'viewer', '--name', 'elsewhere', '--only', 'services'];
    const { token } = await stewardJson<{ token: string }>(home, ['token', 'create', ...only]);
    expect((await scrape(token)).status).toBe(403);
    expect((await scrape(scraping)).status).toBe(200);
    const refused = await fetch(`${running.url}/api/v1/services`, { headers: { authorization: `Bearer ${scraping}` } });
    expect(refused.status).toBe(403);
  });

  it('is found right by promtool', async () => {
    const answer = await scrape(scraping);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const { status, stderr, stdout } = spawnSync('promtool', ['check', 'metrics'], {
      input: await answer.text(),
      encoding: 'utf8',
    });
    expect({ status, said: `${stdout}${stderr}` }).toEqual({ status: 0, said: '' });
  });

  it('is scraped by a real Prometheus with a token from a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stw-prometheus-'));
    let prometheus: RunningProgram | undefined;
    try {
      writeFileSync(join(folder, 'token'), scraping, { mode: 0o600 });
      writeFileSync(
        join(folder, 'prometheus.yml'),
        `scrape_configs:
  - job_name: steward
    scrape_interval: 1s
    authorization: { credentials_file: ${join(folder, 'token')} }
    static_configs: [{ targets: ['${new URL(running.url).host}'] }]
`,
      );
      const port = await freePort();
      prometheus = await startProgram({
        program: 'prometheus',
        args: [
          `--config.file=${join(folder, 'prometheus.yml')}`,
          `--storage.tsdb.path=${join(folder, 'data')}`,
          `--web.listen-address=127.0.0.1:${port}`,
        ],
        ready: { port },
      });
      const ask = async (path: string) =>
        ((await (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json()) as { data: never }).data;
      const found = await eventually('a second scrape', async () => {
        const { result } = (await ask('query?query=count_over_time(steward_host_cores[1m])')) as {
          result: { metric: Record<string, string>; value: [number, string] }[];
        };
        return Number(result[0]?.value[1] ?? 0) >= 2 ? result : undefined;
      });
      expect(found[0]?.metric).toMatchObject({ job: 'steward', node: 'alpha' });
      const metadata = await ask('metadata?metric=steward_host_cpu_seconds');
      // The format from before OpenMetrics would call the family by its whole name, and know no unit.
      expect(metadata).toEqual({
        steward_host_cpu_seconds: [expect.objectContaining({ type: 'counter', unit: 'seconds' })],
      });
    } finally {
      await prometheus?.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
