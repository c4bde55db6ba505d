import { SegmentedControl, Text } from '@mantine/core';
import { useState } from 'react';
import { useAnswer } from '../api/use-answer.ts';
import { Answered } from '../parts/answered.tsx';
import { Card } from '../parts/card.tsx';
import { ChangeRow } from '../parts/change-row.tsx';
import { Page } from '../parts/page.tsx';

const TIMES = [
  { value: '1h', label: 'Hour' },
  { value: '24h', label: 'Day' },
  { value: '7d', label: 'Week' },
];

/** What is different from before? */
export function Changes() {
  const [since, setSince] = useState('24h');
  const changes = useAnswer('/api/v1/changes', { query: { since, limit: 500 } });
  return (
    <Page
      title="What changed"
      about="Runs, services, versions, packages, configuration, and what people did: most faults follow a change."
      actions={<SegmentedControl size="xs" aria-label="How far back" value={since} data={TIMES} onChange={setSince} />}
    >
      <Answered answer={changes} lines={8}>
        {({ items }) =>
          items.length === 0 ? (
            <Text c="dimmed">Nothing changed in that time.</Text>
          ) : (
            <Card>
              {items.map((change) => (
                <ChangeRow key={`${change.at} ${change.title} ${change.runId ?? ''}`} change={change} />
              ))}
            </Card>
          )
        }
      </Answered>
    </Page>
  );
}
