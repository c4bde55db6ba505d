import { SegmentedControl, Text, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Answer } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Answered } from '../parts/answered.tsx';
import { Card, Row, Section } from '../parts/card.tsx';
import { Effect } from '../parts/effect.tsx';
import { Page } from '../parts/page.tsx';

type Automation = Answer<'/api/v1/automations'>['items'][number];

export function Automations() {
  const automations = useAnswer('/api/v1/automations');
  const [words, setWords] = useState('');
  const [which, setWhich] = useState('all');
  return (
    <Page
      title="Automations"
      about="Everything Steward can do to your machines. What changes anything shows its plan first."
      actions={
        <>
          <SegmentedControl
            size="xs"
            value={which}
            onChange={setWhich}
            data={[
              { value: 'all', label: 'All' },
              { value: 'read', label: 'Only looks' },
              { value: 'write', label: 'Changes' },
              { value: 'destructive', label: 'Destroys' },
            ]}
            aria-label="Which"
          />
          <TextInput
            size="xs"
            type="search"
            placeholder="Name, what it does"
            aria-label="Look for"
            value={words}
            onChange={({ currentTarget }) => setWords(currentTarget.value)}
          />
        </>
      }
    >
      <Answered answer={automations} lines={8}>
        {({ items }) => {
          const shown = items.filter((each) => (which === 'all' || each.effect === which) && isMeant(each, words));
          if (shown.length === 0)
            return (
              <Text c="dimmed" mt="md">
                No automation is like that.
              </Text>
            );
          return [...new Set(shown.map(({ category }) => category))]
            .toSorted()
            .map((category) => (
              <Category
                key={category}
                name={category}
                automations={shown.filter((each) => each.category === category)}
              />
            ));
        }}
      </Answered>
    </Page>
  );
}

function Category({ name, automations }: { readonly name: string; readonly automations: readonly Automation[] }) {
  return (
    <Section title={name.charAt(0).toUpperCase() + name.slice(1)} count={automations.length}>
      <Card>
        {automations.map((automation) => (
          <AutomationRow key={automation.name} automation={automation} />
        ))}
      </Card>
    </Section>
  );
}

function isMeant({ name, title, summary, category, ifMissed }: Automation, words: string): boolean {
  const text = `${name} ${title} ${summary} ${category} ${ifMissed}`.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function AutomationRow({
  automation: { name, title, summary, effect, ifMissed },
}: {
  readonly automation: Automation;
}) {
  return (
    <Row>
      <div className="grow">
        <Link to="/automations/$name" params={{ name }} className="quiet-link">
          {title}
        </Link>{' '}
        <Effect effect={effect} />
        <Text size="sm">{summary}</Text>
        <Text size="sm" c="dimmed">
          Without it: {ifMissed}.
        </Text>
      </div>
    </Row>
  );
}
