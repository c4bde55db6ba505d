import { Text } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { sizeOf, tookOf } from '../../parts/length.ts';
import { Page } from '../../parts/page.tsx';
import { Deductions } from './deductions.tsx';
import { FiguresTable } from './figures-table.tsx';
import { ReportFiles } from './report-files.tsx';
import { ScoreChart } from './score-chart.tsx';

type Report = Answer<'/api/v1/performance-report-get'>;
type Measured = Report['machine'][number];

const MEASURES: Readonly<Record<Measured['measure'], string>> = {
  cpu: 'Cores in use',
  load: 'Load a core',
  memory: 'Memory in use',
  space: 'Space in use',
  disk: 'Disk busy',
  network: 'Network',
};
const KINDS = [
  ['agent', 'AI agents'],
  ['model', 'Model servers'],
  ['database', 'Databases'],
  ['service', 'Services'],
] as const satisfies readonly (readonly [Report['answers'][number]['kind'], string])[];
type Usage = Report['usage'][number];
const USERS: readonly (readonly [string, readonly Usage['by'][]])[] = [
  ['Containers that took most', ['container']],
  ['Units and processes that took most', ['unit', 'process']],
];
const LENGTHS: Readonly<Record<Report['period'], string>> = { daily: 'day', weekly: 'week', monthly: 'thirty days' };

const secondsSaid = (seconds: number): string => tookOf(seconds * 1_000);
const percentSaid = (percent: number | undefined): string => (percent === undefined ? '–' : `${percent} %`);

/** How a machine and its services did over a period. */
export function PerformanceReport() {
  const { id } = useParams({ from: '/reports/performance/$id' });
  const report = useAnswer('/api/v1/performance-report-get', { query: { id } });
  return (
    <Answered answer={report} lines={8}>
      {(known) => (
        <Page
          title={known.score === undefined ? 'Not enough history yet' : `${known.score} of 100`}
          about={
            <>
              Performance of {known.node}, the {LENGTHS[known.period]} until {new Date(known.to).toLocaleString()}.{' '}
              <Link to="/runs/$id" params={{ id: known.runId }}>
                The run
              </Link>
            </>
          }
          actions={<ReportFiles path={`/api/v1/automation/reports/performance/${id}`} />}
        >
          <Trend report={known} />
          <Deductions deductions={known.deductions} />
          <Figures report={known} />
          <Text size="sm" c="dimmed" mt="lg">
            {known.notes.join(' ')} In steps of {known.step}; 95 of 100 steps were at most what that column says.
          </Text>
        </Page>
      )}
    </Answered>
  );
}

function Trend({ report: { node, period, at } }: { readonly report: Report }) {
  const reports = useAnswer('/api/v1/performance-reports', { query: { node, limit: 100 } }).data?.items ?? [];
  const before = reports.filter((each) => each.period === period && each.at <= at);
  return <ScoreChart title="Scores up to this one" reports={before} nameOf={({ node: name }) => name} />;
}

function Figures({ report: { machine, answers, usage, uptimes, databases } }: { readonly report: Report }) {
  return (
    <>
      <FiguresTable
        title="The machine"
        columns={['What', 'Mean', '95 of 100', 'Highest']}
        rows={machine.map(({ measure, subject, mean, p95, highest }) => {
          const name = `${MEASURES[measure]}${subject === 'machine' ? '' : `, ${subject}`}`;
          return { key: name, name, figures: [mean, p95, highest].map((value) => measureSaid(measure, value)) };
        })}
      />
      {USERS.map(([title, users]) => (
        <FiguresTable
          key={title}
          title={title}
          columns={['What', 'Cores', 'Change', 'Highest', 'Memory', 'Memory change', 'Most memory']}
          rows={usage
            .filter(({ by }) => users.includes(by))
            .map(({ id: service = '', name, cores, memoryBytes }) => ({
              key: `${service} ${name}`,
              name: (
                <Link to="/services/$id" params={{ id: service }} className="quiet-link">
                  {name}
                </Link>
              ),
              figures: [...usedSaid(cores, String), ...usedSaid(memoryBytes, sizeOf)],
            }))}
        />
      ))}
      {KINDS.map(([kind, title]) => (
        <FiguresTable
          key={kind}
          title={`${title}: how long answers took`}
          columns={['What', 'Mean', 'Before', '95 of 100', 'Highest']}
          rows={answers
            .filter((each) => each.kind === kind)
            .map(({ name, mean, beforeMean, p95, highest }) => ({
              key: name,
              name,
              figures: [mean, beforeMean, p95, highest].map((value) =>
                value === undefined ? '–' : secondsSaid(value),
              ),
            }))}
        />
      ))}
      <FiguresTable
        title="How much of the time services were there"
        columns={['Service', 'Up']}
        rows={uptimes.map(({ service, percent }) => ({
          key: service,
          name: service,
          figures: [percentSaid(percent)],
        }))}
      />
      <FiguresTable
        title="Databases, when they were last looked at"
        columns={['Database', 'Size', 'Connections', 'From memory', 'Slowest statement']}
        rows={databases.map(({ source, kind, bytes, connectionsPercent, cacheHitPercent, slowest }) => ({
          key: source,
          name: `${source} (${kind})`,
          figures: [
            sizeOf(bytes),
            percentSaid(connectionsPercent),
            percentSaid(cacheHitPercent),
            slowest === undefined ? '–' : `${tookOf(slowest.meanMs)}, ${slowest.calls} times`,
          ],
        }))}
      />
    </>
  );
}

function measureSaid(measure: Measured['measure'], value: number): string {
  if (measure === 'load') return String(value);
  return measure === 'network' ? `${sizeOf(value)}/s` : `${Math.round(value * 1_000) / 10} %`;
}

/** Its mean, the change since the period before, and the most. */
function usedSaid(used: Usage['cores'], said: (value: number) => string): [string, string, string] {
  if (used === undefined) return ['–', '–', '–'];
  const { mean, beforeMean, highest } = used;
  return [said(mean), beforeMean === undefined ? 'new' : changeSaid(mean - beforeMean, said), said(highest)];
}

function changeSaid(change: number, said: (value: number) => string): string {
  return `${change < 0 ? '−' : '+'}${said(Number(Math.abs(change).toPrecision(3)))}`;
}
