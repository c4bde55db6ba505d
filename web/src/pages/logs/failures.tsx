import { Group, NativeSelect, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row } from '../../parts/card.tsx';
import { NotSearched } from './not-searched.tsx';
import { SINCE } from './since.ts';

/** What the logs complain about, each kind of message once. */
export function Failures({ service }: { readonly service: string | undefined }) {
  const [since, setSince] = useState('1h');
  const failures = useAnswer(
    '/api/v1/logs-failures',
    { query: { since, ...(service !== undefined && { services: [service] }) } },
    { still: true },
  );
  return (
    <>
      <Group mb="sm">
        <NativeSelect
          size="xs"
          aria-label="How far back"
          data={[...SINCE]}
          value={since}
          onChange={(event) => setSince(event.currentTarget.value)}
        />
      </Group>
      <Answered answer={failures} lines={6}>
        {({ items, notSearched }) => (
          <>
            {items.length === 0 && <Text c="dimmed">Nothing that was read complains.</Text>}
            <Card>
              {items.map(({ component, count, first, last, text }) => (
                <Row key={`${component} ${text}`}>
                  <strong>{count}×</strong>
                  <div className="grow">
                    <Link to="/logs" search={{ service: component }} className="quiet-link">
                      {component}
                    </Link>
                    <div>
                      <code>{text}</code>
                    </div>
                  </div>
                  <Text size="sm" c="dimmed">
                    {count > 1 && (
                      <>
                        from <Ago at={first} />,{' '}
                      </>
                    )}
                    last <Ago at={last} />
                  </Text>
                </Row>
              ))}
            </Card>
            <NotSearched notSearched={notSearched} />
          </>
        )}
      </Answered>
    </>
  );
}
