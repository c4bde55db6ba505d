import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { usePages } from '../../api/use-pages.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row } from '../../parts/card.tsx';
import { Earlier } from '../../parts/earlier.tsx';
import { Page } from '../../parts/page.tsx';
import { PlanLink } from '../../parts/plan-link.tsx';
import { State } from '../../parts/state.tsx';
import { useSession } from '../../session/session.tsx';

/** How was it, day by day? */
export function Reports() {
  const { may } = useSession();
  const reports = usePages('/api/v1/health-reports', { query: { limit: 60 } });
  const nodes = useAnswer('/api/v1/registry-nodes').data?.items ?? [];
  const nameOf = (node: string): string => nodes.find(({ id }) => id === node)?.name ?? node;
  return (
    <Page
      title="Health reports"
      about="How was it, day by day? One is made each morning at 06:00 UTC."
      actions={
        may('operate') && (
          <PlanLink automation="daily-health-check" input={{}} primary>
            Make one now
          </PlanLink>
        )
      }
    >
      <Answered answer={reports} lines={6}>
        {(items) => (
          <>
            {items.length === 0 && <Text c="dimmed">There is none yet.</Text>}
            <Card>
              {items.map(({ id, node, at, score, failed, warnings, critical }) => (
                <Row key={id}>
                  <Link to="/reports/$id" params={{ id }} className="quiet-link">
                    {new Date(at).toLocaleString()}
                  </Link>
                  <State
                    word={`${score} of 100`}
                    tone={critical ? 'bad' : failed > 0 || warnings > 0 ? 'warn' : 'good'}
                  />
                  <Text size="sm" c="dimmed" className="grow">
                    {nameOf(node)}: {failed} failed, {warnings} {warnings === 1 ? 'warning' : 'warnings'}
                    {critical && ', critical'}
                  </Text>
                  <Text size="sm" c="dimmed">
                    <Ago at={at} />
                  </Text>
                </Row>
              ))}
            </Card>
            <Earlier pages={reports} />
          </>
        )}
      </Answered>
    </Page>
  );
}
