import { Text } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { Page } from '../../parts/page.tsx';
import { State } from '../../parts/state.tsx';
import { Deductions } from './deductions.tsx';
import { ReportFiles } from './report-files.tsx';

type Item = Answer<'/api/v1/health-report-get'>['items'][number];

const ORDER: readonly Item['state'][] = ['failed', 'warning', 'skipped', 'ok'];
const worstFirst = (one: Item, other: Item): number => ORDER.indexOf(one.state) - ORDER.indexOf(other.state);

/** In the order of the report, in each what is worst first. */
const groupsOf = (items: readonly Item[]) =>
  [...new Set(items.map(({ group }) => group))].map((group) => ({
    group,
    members: items.filter((item) => item.group === group).toSorted(worstFirst),
  }));

/** What took points away, and everything that was looked at. */
export function HealthReport() {
  const { id } = useParams({ from: '/reports/$id' });
  const report = useAnswer('/api/v1/health-report-get', { query: { id } });
  return (
    <Answered answer={report} lines={8}>
      {({ at, score, critical, failed, warnings, deductions, items, runId }) => (
        <Page
          title={`${score} of 100`}
          about={
            <>
              {critical && <State word="critical" />} {items.length} things were looked at{' '}
              {new Date(at).toLocaleString()}, {failed} failed, {warnings} {warnings === 1 ? 'warning' : 'warnings'}.{' '}
              <Link to="/runs/$id" params={{ id: runId }}>
                The run
              </Link>
            </>
          }
          actions={<ReportFiles path={`/api/v1/automation/reports/health/${id}`} />}
        >
          <Deductions deductions={deductions} />
          {groupsOf(items).map(({ group, members }) => (
            <Section key={group} title={group} count={members.length}>
              <Card>
                {members.map((item) => (
                  <Row key={item.name}>
                    {item.resourceId === undefined ? (
                      <strong>{item.name}</strong>
                    ) : (
                      <Link to="/services/$id" params={{ id: item.resourceId }} className="quiet-link">
                        {item.name}
                      </Link>
                    )}
                    <State word={item.state} />
                    {item.critical && <State word="critical" tone="warn" />}
                    <Text size="sm" c="dimmed" className="grow">
                      {item.message}
                    </Text>
                  </Row>
                ))}
              </Card>
            </Section>
          ))}
        </Page>
      )}
    </Answered>
  );
}
