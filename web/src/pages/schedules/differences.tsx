import { Button, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { State } from '../../parts/state.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { useSession } from '../../session/session.tsx';

const WORDS = {
  absent: 'did not run',
  deleted: 'its record is gone',
  unrecorded: 'ran unrecorded',
  'not-due': 'ran without being due',
} as const;

/** Whether what should have run is what ran. */
export function Differences() {
  const { me, may } = useSession();
  const comparisons = useAnswer('/api/v1/schedule-reconciliations', { query: { limit: 7 } });
  const compare = useCommand('/api/v1/reconcile-schedules', { done: 'Compared.' });
  return (
    <Section
      title="Did it run?"
      actions={
        may('operate') &&
        me.role !== 'agent' && (
          <Button
            size="compact-sm"
            variant="default"
            loading={compare.isPending}
            onClick={() => compare.mutate({ body: {} })}
          >
            Compare now
          </Button>
        )
      }
    >
      <Answered answer={comparisons}>
        {({ items }) =>
          items.length === 0 ? (
            <Text c="dimmed">
              Nothing has been compared yet. Every night Steward looks whether what should have run did.
            </Text>
          ) : (
            <Card>
              {items.map(({ id, at, since, until, due, ran, excused, differences }) => (
                <Row key={id}>
                  <State
                    word={differences.length === 0 ? 'as it should' : `${differences.length} differ`}
                    tone={differences.length === 0 ? 'good' : 'bad'}
                  />
                  <div className="grow">
                    {ran} of {due} ran{excused > 0 && `, ${excused} left out for a reason on record`}
                    <Text size="sm" c="dimmed">
                      {new Date(since).toLocaleString()} to {new Date(until).toLocaleString()}
                    </Text>
                    {differences.map((each) => (
                      <Text size="sm" key={`${each.kind} ${each.schedule} ${each.instant}`}>
                        <State word={WORDS[each.kind]} tone="bad" /> {each.message}{' '}
                        {each.execution !== undefined && (
                          <Link to="/workflow-executions/$id" params={{ id: each.execution }}>
                            the execution
                          </Link>
                        )}
                      </Text>
                    ))}
                  </div>
                  <Text size="sm" c="dimmed">
                    <Ago at={at} />
                  </Text>
                </Row>
              ))}
            </Card>
          )
        }
      </Answered>
    </Section>
  );
}
