import { Alert, NativeSelect, Text } from '@mantine/core';
import { useState } from 'react';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { Page } from '../../parts/page.tsx';
import { DeliveryLine } from './delivery.tsx';
import { Refused } from './refused.tsx';
import { STATES, type StateName } from './states.ts';
import { TypeLine } from './type.tsx';

/** What is received, what became of it, and why the rest was refused. */
export function Webhooks() {
  const receiver = useAnswer('/api/v1/webhook-receiver', {}, { often: true });
  return (
    <Page title="Webhooks" about={receiver.data && sentence(receiver.data)}>
      <Answered answer={receiver}>
        {({ types, problem, pauses, unreadable, lately, refused }) => (
          <>
            {problem !== undefined && (
              <Alert color="red" title="Not received as configured" mb="md">
                {problem}
              </Alert>
            )}
            {types.length === 0 ? (
              <Text c="dimmed" mt="md">
                Nothing is received. Name a type and its secret as <code>webhooks.types</code> in steward.yaml.
              </Text>
            ) : (
              <Card>
                {types.map((type) => (
                  <TypeLine
                    key={type}
                    type={type}
                    pause={pauses.find((each) => each.type === type)}
                    unreadable={unreadable.includes(type)}
                  />
                ))}
              </Card>
            )}
            <Deliveries types={types} />
            <Refused lately={lately} counts={refused} />
          </>
        )}
      </Answered>
    </Page>
  );
}

interface Receiver {
  readonly address?: string | undefined;
  readonly types: readonly string[];
  readonly accepted: number;
  readonly refused: Readonly<Record<string, number>>;
}

function sentence({ address, types, accepted, refused }: Receiver): string {
  if (types.length === 0 || address === undefined) return 'What other programs tell Steward.';
  const no = Object.values(refused).reduce((sum, count) => sum + count, 0);
  return `Received at ${address}: ${accepted} taken and ${no} refused since it began.`;
}

function Deliveries({ types }: { readonly types: readonly string[] }) {
  const [type, setType] = useState('');
  const [state, setState] = useState<StateName | ''>('');
  const query = { limit: 50, ...(type && { type }), ...(state && { state }) };
  // No event tells of one that is held back.
  const webhooks = useAnswer('/api/v1/webhooks', { query }, { often: true });
  return (
    <Section
      title="Taken"
      actions={
        <div className="filters">
          <NativeSelect
            aria-label="Type"
            value={type}
            onChange={(event) => setType(event.currentTarget.value)}
            data={[{ value: '', label: 'every type' }, ...types.map((value) => ({ value, label: value }))]}
          />
          <NativeSelect
            aria-label="State"
            value={state}
            onChange={(event) => setState(event.currentTarget.value as StateName | '')}
            data={[
              { value: '', label: 'every state' },
              ...Object.entries(STATES).map(([value, { label }]) => ({ value, label })),
            ]}
          />
        </div>
      }
    >
      <Answered answer={webhooks}>
        {({ items }) => (
          <Card>
            {items.length === 0 ? (
              <Row>
                <Text c="dimmed">{type || state ? 'None of that kind is kept.' : 'None was taken yet.'}</Text>
              </Row>
            ) : (
              items.map((webhook) => <DeliveryLine key={webhook.id} webhook={webhook} />)
            )}
          </Card>
        )}
      </Answered>
    </Section>
  );
}
