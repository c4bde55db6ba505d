import { Text } from '@mantine/core';
import { Link, useParams, useSearch } from '@tanstack/react-router';
import type { Answer } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Answered } from '../parts/answered.tsx';
import { Card, Section } from '../parts/card.tsx';
import { Effect } from '../parts/effect.tsx';
import { Page } from '../parts/page.tsx';
import { PlanFirst } from '../parts/plan-first/plan-first.tsx';
import { RunRow } from '../parts/run-row.tsx';
import type { Schema } from '../parts/schema-form/schema.ts';

type Detail = Answer<'/api/v1/automations/{name}'>;

const RUNS_SHOWN = 10;

export function Automation() {
  const { name } = useParams({ from: '/automations/$name' });
  const { input } = useSearch({ from: '/automations/$name' });
  const automation = useAnswer('/api/v1/automations/{name}', { path: { name } });
  const runs = useAnswer('/api/v1/runs', { query: { automation: name, limit: RUNS_SHOWN } });
  return (
    <Answered answer={automation}>
      {(known) => (
        <Page
          title={known.title}
          about={
            <>
              <Effect effect={known.effect} /> {known.summary}
            </>
          }
        >
          <Facts automation={known} />
          <PlanFirst
            // Another automation, or another input by a link, is another form.
            key={`${known.name} ${JSON.stringify(input)}`}
            automation={{ ...known, input: known.input as Schema }}
            {...(input && { given: input })}
          />
          <Section
            title="Recent runs"
            actions={
              <Text size="sm">
                <Link to="/runs">All runs</Link>
              </Text>
            }
          >
            <Answered answer={runs} lines={2}>
              {({ items }) =>
                items.length === 0 ? (
                  <Text c="dimmed">It has not run yet.</Text>
                ) : (
                  <Card>
                    {items.map((run) => (
                      <RunRow key={run.id} run={run} />
                    ))}
                  </Card>
                )
              }
            </Answered>
          </Section>
        </Page>
      )}
    </Answered>
  );
}

const LOADS = { cpu: 'the processor', io: 'the disks', light: 'little' } as const;

function Facts({ automation }: { readonly automation: Detail }) {
  const { name, version, category, priority, ifMissed, needs, load, anywhere, safeguards } = automation;
  const { limit, timeout, attempts, backoff } = safeguards;
  return (
    <dl className="facts">
      <dt>Name</dt>
      <dd>
        <code>{name}</code>, version {version}, {category}, {priority}
      </dd>
      <dt>Without it</dt>
      <dd>{ifMissed}</dd>
      <dt>Safeguards</dt>
      <dd>
        ends after {limit}, each step after {timeout};{' '}
        {attempts > 1
          ? `a step is tried ${attempts} times, the second time after ${backoff}`
          : 'nothing is tried twice'}
      </dd>
      <dt>Needs</dt>
      <dd>{needs.join(', ') || 'nothing of the outside'}</dd>
      <dt>Uses</dt>
      <dd>
        {LOADS[load]}; {anywhere ? 'runs on any node' : 'runs where its target is'}
      </dd>
    </dl>
  );
}
