import { Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row } from '../../parts/card.tsx';
import { Earlier } from '../../parts/earlier.tsx';
import { Page } from '../../parts/page.tsx';
import { PlanLink } from '../../parts/plan-link.tsx';
import { useSession } from '../../session/session.tsx';
import { ScoreChart, type Scored } from './score-chart.tsx';

type Listed = Scored & { readonly id: string };

interface ReportListProps<T extends Listed> {
  readonly title: string;
  readonly about: string;
  /** What makes one. */
  readonly automation: string;
  readonly reports: Parameters<typeof Earlier>[0]['pages'] & Parameters<typeof Answered<readonly T[]>>[0]['answer'];
  /** The line that the score of a report belongs to, where they have scores. */
  readonly scoresOf?: (report: T) => string;
  /** What a row says besides how long ago that was. */
  readonly children: (report: T) => ReactNode;
}

/** All reports of one kind, the newest first. */
export function ReportList<T extends Listed>({
  title,
  about,
  automation,
  reports,
  scoresOf,
  children,
}: ReportListProps<T>) {
  const { may } = useSession();
  return (
    <Page
      title={title}
      about={about}
      actions={
        may('operate') && (
          <PlanLink automation={automation} input={{}} primary>
            Make one now
          </PlanLink>
        )
      }
    >
      <Answered answer={reports} lines={6}>
        {(items) => (
          <>
            {scoresOf && <ScoreChart title="Scores" reports={items} nameOf={scoresOf} />}
            {items.length === 0 ? (
              <Text c="dimmed">There is none yet.</Text>
            ) : (
              <Card>
                {items.map((report) => (
                  <Row key={report.id}>
                    {children(report)}
                    <Text size="sm" c="dimmed">
                      <Ago at={report.at} />
                    </Text>
                  </Row>
                ))}
              </Card>
            )}
            <Earlier pages={reports} />
          </>
        )}
      </Answered>
    </Page>
  );
}
