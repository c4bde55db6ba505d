import { Group, Text } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { Page } from '../../parts/page.tsx';
import { FiguresTable } from './figures-table.tsx';
import { ReportFiles } from './report-files.tsx';
import { ScoreChart } from './score-chart.tsx';

type Summary = Answer<'/api/v1/weekly-summary-get'>;
type Counted = Summary['copies']['proven'];

const total = (rows: Counted): number => rows.reduce((sum, { count }) => sum + count, 0);

/** What one week brought, on all machines. */
export function WeeklySummary() {
  const { id } = useParams({ from: '/reports/weekly/$id' });
  const summary = useAnswer('/api/v1/weekly-summary-get', { query: { id } });
  return (
    <Answered answer={summary} lines={8}>
      {(known) => (
        <Page
          title={
            known.incidents.openNow.length === 0
              ? 'The week: nothing was open at its end'
              : `The week: ${known.incidents.openNow.length} open at its end`
          }
          about={
            <>
              From {new Date(known.from).toLocaleString()} to {new Date(known.to).toLocaleString()}, on all machines.{' '}
              <Link to="/runs/$id" params={{ id: known.runId }}>
                The run
              </Link>
            </>
          }
          actions={<ReportFiles path={`/api/v1/automation/reports/weekly/${id}`} />}
        >
          <InShort summary={known} />
          <Details summary={known} />
        </Page>
      )}
    </Answered>
  );
}

function InShort({ summary: { incidents, heals, copies, runs, alerts } }: { readonly summary: Summary }) {
  const figures = [
    ['Incidents', `${incidents.opened} began, ${incidents.resolved} ended, ${incidents.escalated} needed a person`],
    ['Heals', `${heals.succeeded} helped, ${heals.failed} did not`],
    [
      'Copies',
      `${copies.made} made, ${copies.failed} failed, ${total(copies.proven)} proven, ${total(copies.unsound)} unsound`,
    ],
    ['Runs', `${runs.succeeded} succeeded, ${runs.failed} failed`],
    ['Alerts', `${total(alerts.delivered)} delivered, ${total(alerts.failed)} not`],
  ] as const;
  return (
    <Card>
      {figures.map(([name, said]) => (
        <Row key={name}>
          <Group gap="sm">
            <strong>{name}</strong>
            <span>{said}</span>
          </Group>
        </Row>
      ))}
    </Card>
  );
}

function Details({
  summary: { incidents, scores, copies, interventions, runs, alerts, uptimes },
}: {
  readonly summary: Summary;
}) {
  const counted = (title: string, of: string, rows: Counted) => (
    <FiguresTable
      title={title}
      columns={[of, 'Times']}
      rows={rows.map((row) => ({ key: row.of, name: row.of, figures: [row.count] }))}
    />
  );
  return (
    <>
      {incidents.openNow.length > 0 && (
        <Section title="Open at its end" count={incidents.openNow.length}>
          <Card>
            {[...new Set(incidents.openNow)].map((title) => {
              const times = incidents.openNow.filter((other) => other === title).length;
              return (
                <Row key={title}>
                  <span className="grow">{title}</span>
                  {times > 1 && <Text c="dimmed">{times} times</Text>}
                </Row>
              );
            })}
          </Card>
        </Section>
      )}
      <ScoreChart
        title="Scores of the daily reports"
        reports={scores.flatMap(({ report, node, points }) =>
          points.map((point) => ({ ...point, name: `${report}, ${node}` })),
        )}
        nameOf={({ name }) => name}
      />
      {counted('Copies that were restored and compared', 'Source', copies.proven)}
      {counted('Copies that are not sound', 'Source', copies.unsound)}
      {counted('Migrations, restores, restarts', 'Automation', interventions)}
      <FiguresTable
        title="Runs"
        columns={['Automation', 'Succeeded', 'Failed']}
        rows={runs.byAutomation.map(({ automation, succeeded, failed }) => ({
          key: automation,
          name: automation,
          figures: [succeeded, failed],
        }))}
      />
      {counted('Alerts that were delivered', 'Channel', alerts.delivered)}
      {counted('Alerts that were not delivered', 'Channel', alerts.failed)}
      <FiguresTable
        title="How much of the time services were there"
        columns={['Service', 'Up']}
        rows={uptimes.map(({ service, percent }) => ({ key: service, name: service, figures: [`${percent} %`] }))}
      />
    </>
  );
}
