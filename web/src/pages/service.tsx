import { Text } from '@mantine/core';
import { useParams } from '@tanstack/react-router';
import { useAnswer } from '../api/use-answer.ts';
import { Ago } from '../parts/ago.tsx';
import { Answered } from '../parts/answered.tsx';
import { Card, Row, Section } from '../parts/card.tsx';
import { IncidentRow } from '../parts/incident-row.tsx';
import { ServiceCharts } from '../parts/charts/service-charts.tsx';
import { tookOf } from '../parts/length.ts';
import { Page } from '../parts/page.tsx';
import { RunRow } from '../parts/run-row.tsx';
import { ServiceActions } from '../parts/service-actions.tsx';
import { SeenFrom } from '../parts/seen-from.tsx';
import { State } from '../parts/state.tsx';
import { UptimeSection } from '../parts/uptime.tsx';

export function Service() {
  const { id } = useParams({ from: '/services/$id' });
  const service = useAnswer('/api/v1/services/{id}', { path: { id } });
  const incidents =
    useAnswer('/api/v1/incidents', { query: { resource: id, status: 'all', limit: 10 } }).data?.items ?? [];
  const runs = useAnswer('/api/v1/runs', { query: { target: id, limit: 10 } }).data?.items ?? [];
  return (
    <Answered answer={service}>
      {(known) => (
        <Page
          title={known.name}
          about={
            <>
              <State word={known.state} />{' '}
              {known.since !== undefined && (
                <>
                  for <Ago at={known.since} bare />
                </>
              )}
            </>
          }
          actions={<ServiceActions service={known} />}
        >
          <dl className="facts">
            <dt>What it is</dt>
            <dd>{[known.product, known.version].filter(Boolean).join(' ')}</dd>
            <dt>Where</dt>
            <dd>
              {known.endpoints
                .map(({ protocol, address, port }) =>
                  protocol === 'unix' ? address : `${address}:${port}/${protocol}`,
                )
                .join(', ') || '–'}{' '}
              on {known.node}
            </dd>
            <dt>Who restarts it</dt>
            <dd>{[known.supervisor, known.supervisorName].filter(Boolean).join(' ')}</dd>
            <dt>Needs</dt>
            <dd>{known.dependsOn.join(', ') || 'nothing that Steward knows'}</dd>
            <dt>Needed by</dt>
            <dd>{known.neededBy.join(', ') || 'nothing that Steward knows'}</dd>
          </dl>
          <Section title="Checks" count={known.checks.length}>
            <Card>
              {known.checks.length === 0 && (
                <Row>
                  <Text c="dimmed">Nothing checks it yet.</Text>
                </Row>
              )}
              {known.checks.map(({ id: check, kind, state, last, at }) => (
                <Row key={check}>
                  <strong>{kind}</strong>
                  <State word={state} />
                  <Text size="sm" c="dimmed" className="grow">
                    {last?.message}
                  </Text>
                  <Text size="sm" c="dimmed">
                    {last && tookOf(last.latencyMs)}
                    {at !== undefined && (
                      <>
                        {', '}
                        <Ago at={at} />
                      </>
                    )}
                  </Text>
                </Row>
              ))}
            </Card>
          </Section>
          <SeenFrom service={known.id} />
          <UptimeSection service={known.id} />
          <Section title="Last 24 hours">
            <ServiceCharts service={known.id} last="24h" />
          </Section>
          {incidents.length > 0 && (
            <Section title="Incidents">
              <Card>
                {incidents.map((incident) => (
                  <IncidentRow key={incident.id} incident={incident} />
                ))}
              </Card>
            </Section>
          )}
          {runs.length > 0 && (
            <Section title="Runs">
              <Card>
                {runs.map((run) => (
                  <RunRow key={run.id} run={run} />
                ))}
              </Card>
            </Section>
          )}
          <Section title="How Steward knows">
            <Card>
              {known.evidence.map(({ source, detail, weight }) => (
                <Row key={`${source} ${detail}`}>
                  <strong>{source}</strong>
                  <Text size="sm" className="grow">
                    {detail}
                  </Text>
                  <Text size="sm" c="dimmed">
                    {Math.round(weight * 100)} %
                  </Text>
                </Row>
              ))}
            </Card>
          </Section>
        </Page>
      )}
    </Answered>
  );
}
