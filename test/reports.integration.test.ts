import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PerformanceReport } from '../src/core/performance-report.ts';
import { adminApi, type Api } from './kit/api.ts';
import { eventually, makeHome, removeHome, type RunningSteward, startSteward, stewardJson } from './kit/steward.ts';

interface Range {
  readonly series: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly points: readonly { readonly at: string; readonly avg: number }[];
  }[];
}
/** As JSON has it. */
type Answered = Omit<PerformanceReport, 'from' | 'to'> & { readonly from: string; readonly to: string };

const mails: string[] = [];
const post = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  onData(stream, _session, done) {
    let text = '';
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    stream.on('end', () => {
      mails.push(text);
      done();
    });
  },
});
let home: string;
let running: RunningSteward;
let api: Api;

beforeAll(async () => {
  post.on('error', () => undefined);
  post.listen(0, '127.0.0.1');
  await once(post.server, 'listening');
  const { port } = post.server.address() as AddressInfo;
  const mail = { kind: 'email', name: 'mail', host: '127.0.0.1', port, secure: false, allowPrivate: true };
  home = makeHome(`discovery: { enabled: false }
healing: { enabled: false }
node: { name: alpha }
reports: { send: [performance] }
alerts: { digest: false, channels: [${JSON.stringify({ ...mail, from: 'steward@example.org', to: ['ops@example.org'] })}] }
`);
  running = await startSteward({ home });
  ({ api } = await adminApi(running));
});

afterAll(async () => {
  await running.stop();
  await removeHome(home);
  const closed = Promise.withResolvers<void>();
  post.close(() => closed.resolve());
  await closed.promise;
});

describe('a performance report of a Steward that runs', () => {
  it('has the figures that the API has for its time and step, in the answer and in the file', async () => {
    await eventually(
      'values of the memory',
      async () => {
        const { series } = await api.get<Range>('metric-range?name=steward_host_memory_available_bytes&last=5m');
        return (series[0]?.points.length ?? 0) > 0 ? true : undefined;
      },
      45_000,
    );
    await stewardJson(home, ['run', 'report-performance', '--period', 'daily']);
    const report = await eventually('the report', async () =>
      api.get<Answered>('automation/reports/performance/latest').catch(() => undefined),
    );
    const over = async (name: string): Promise<Map<string, number>> => {
      const { series } = await api.get<Range>(
        `metric-range?name=${name}&from=${report.from}&to=${report.to}&step=${report.step}`,
      );
      return new Map(series[0]?.points.map(({ at, avg }) => [at, avg]));
    };
    const [there, free] = [await over('steward_host_memory_bytes'), await over('steward_host_memory_available_bytes')];
    const shares = [...free].map(([at, bytes]) => ({ at, value: 1 - bytes / (there.get(at) ?? Number.NaN) }));
    const memory = report.machine.find(({ measure }) => measure === 'memory');
    expect(memory?.points).toEqual(shares.map(({ at, value }) => ({ at, value: Number(value.toPrecision(3)) })));
    const mean = shares.reduce((sum, { value }) => sum + value, 0) / shares.length;
    expect(memory?.mean).toBe(Number(mean.toPrecision(3)));

    const path = join(home, 'reports/performance/latest_performance_report.json');
    const { performance_score: score, ...file } = JSON.parse(
      await eventually('the file', async () => readFile(path, 'utf8').catch(() => undefined)),
    ) as Answered & { performance_score: number | null };
    // A Steward of a minute says nothing of a day.
    expect([score, report.score, report.notes[0]]).toEqual([
      null,
      undefined,
      expect.stringMatching(/^Not enough history yet: \d+m of 1d were measured, and a score takes 6h\.$/),
    ]);
    expect(report).toEqual(expect.objectContaining(file));
  });

  it('is mailed with its figures, and with all of it as the file that was written', async () => {
    const mail = await eventually('the mail', async () => mails.find((text) => text.includes('Performance of alpha')));
    expect(mail).toMatch(/^Memory in use: [\d.]+ %, at most [\d.]+ %/m);
    const [, part = ''] = /\r\nContent-Disposition: attachment;[^]*?\r\n\r\n([^]*?)\r\n--/.exec(mail) ?? [];
    const file = await readFile(join(home, 'reports/performance/latest_performance_report.html'), 'utf8');
    expect(Buffer.from(part, 'base64').toString()).toBe(file);
  });

  it('is counted by the summary of the week, as the record of events has it', async () => {
    await stewardJson(home, ['run', 'summarize-week']);
    const week = await eventually('the summary', async () =>
      api
        .get<{ runs: { byAutomation: object[] }; scores: object[] }>('automation/reports/weekly/latest')
        .catch(() => undefined),
    );
    const { items } = await api.get<{ items: object[] }>('automation/reports/performance');
    expect(items).toHaveLength(1);
    expect(items[0]).not.toHaveProperty('score');
    expect(week.runs.byAutomation).toContainEqual({ automation: 'report-performance', succeeded: 1, failed: 0 });
    expect(week.scores).toEqual([]);
  });
});
