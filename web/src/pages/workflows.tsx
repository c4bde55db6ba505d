import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { Answer } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Ago } from '../parts/ago.tsx';
import { Answered } from '../parts/answered.tsx';
import { Card, Row, Section } from '../parts/card.tsx';
import { Page } from '../parts/page.tsx';
import { Question } from '../parts/question.tsx';
import { startOf } from '../parts/start-words.ts';
import { State } from '../parts/state.tsx';

type Workflow = Answer<'/api/v1/workflows'>['items'][number];
type Entry = Answer<'/api/v1/schedules'>['items'][number];

/** Which chains there are, what starts them, and how they went. */
export function Workflows() {
  const workflows = useAnswer('/api/v1/workflows');
  const schedules = useAnswer('/api/v1/schedules').data?.items ?? [];
  const questions = useAnswer('/api/v1/workflow-questions').data?.items ?? [];
  return (
    <Page title="Workflows" about="Chains of automations, each step with its own plan, proof and way back.">
      {questions.length > 0 && (
        <Section title="Waiting for an answer" count={questions.length}>
          <Card tone="warn">
            {questions.map((each) => (
              <Question key={`${each.execution} ${each.step}`} waiting={each} />
            ))}
          </Card>
        </Section>
      )}
      <Answered answer={workflows} lines={8}>
        {({ items }) => (
          <>
            <Group title="By the clock" kind="schedule" items={items} schedules={schedules} />
            <Group title="On an event" kind="event" items={items} schedules={schedules} />
            <Group title="Only when asked" items={items} schedules={schedules} />
          </>
        )}
      </Answered>
    </Page>
  );
}

interface GroupProps {
  readonly title: string;
  readonly kind?: 'schedule' | 'event';
  readonly items: readonly Workflow[];
  readonly schedules: readonly Entry[];
}

function Group({ title, kind, items, schedules }: GroupProps) {
  const shown = items.filter(({ triggers }) => triggers[0]?.kind === kind);
  if (shown.length === 0) return undefined;
  return (
    <Section title={title} count={shown.length}>
      <Card>
        {shown.map((workflow) => (
          <Line
            key={workflow.id}
            workflow={workflow}
            entries={schedules.filter(({ id }) => id.startsWith(`${workflow.name}:`))}
          />
        ))}
      </Card>
    </Section>
  );
}

function Line({ workflow, entries }: { readonly workflow: Workflow; readonly entries: readonly Entry[] }) {
  const { name, title, triggers, steps, mandatory, origin } = workflow;
  const last = entries
    .flatMap((entry) => entry.last ?? [])
    .toSorted((one, other) => other.at.localeCompare(one.at))
    .at(0);
  const lacking = steps.filter(({ available }) => !available).length;
  return (
    <Row>
      <div className="grow">
        <Link to="/workflows/$name" params={{ name }} className="quiet-link">
          {title}
        </Link>
        <Text size="sm" c="dimmed">
          {[
            name,
            steps.length === 1 ? '1 step' : `${steps.length} steps`,
            ...triggers.slice(0, 2).map(startOf),
            ...(triggers.length > 2 ? [`${triggers.length - 2} more`] : []),
          ].join(' · ')}
        </Text>
      </div>
      {origin === 'user' && <State word="yours" tone="calm" />}
      {mandatory && <State word="needed" tone="calm" />}
      {lacking > 0 && <State word={`${lacking} not in this version`} tone="warn" />}
      {entries.some(({ state }) => state === 'paused') && <State word="paused" />}
      {last?.outcome !== undefined && (
        <Text size="sm" c="dimmed" component="span">
          <State word={last.outcome} /> <Ago at={last.at} />
        </Text>
      )}
    </Row>
  );
}
