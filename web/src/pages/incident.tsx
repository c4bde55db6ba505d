import { Button, Code, Group, Text, Textarea, Timeline } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Link, useParams } from '@tanstack/react-router';
import type { Answer } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Ago } from '../parts/ago.tsx';
import { Answered } from '../parts/answered.tsx';
import { Ask } from '../parts/ask.tsx';
import { Card, Section } from '../parts/card.tsx';
import { Causes } from '../parts/causes.tsx';
import { IncidentRow } from '../parts/incident-row.tsx';
import { Page } from '../parts/page.tsx';
import { State } from '../parts/state.tsx';
import { useCommand } from '../parts/use-command.ts';
import { useSession } from '../session/session.tsx';
import classes from './incident.module.css';

type Whole = Answer<'/api/v1/incidents/{id}'>;

export function Incident() {
  const { id } = useParams({ from: '/incidents/$id' });
  const incident = useAnswer('/api/v1/incidents/{id}', { path: { id } });
  return (
    <Answered answer={incident}>
      {(known) => (
        <Page
          title={known.title}
          about={
            <Group gap="xs">
              <State word={known.status} />
              <State word={known.severity} />
              <span>
                opened <Ago at={known.openedAt} />
                {known.occurrences > 1 && `, ${known.occurrences} times`}
                {known.acknowledgedBy !== undefined && `, ${known.acknowledgedBy} is on it`}
              </span>
            </Group>
          }
          actions={<Actions incident={known} />}
        >
          <dl className="facts">
            {known.resolution !== undefined && (
              <>
                <dt>How it ended</dt>
                <dd>{known.resolution}</dd>
              </>
            )}
            <dt>Seen by</dt>
            <dd>
              <Code>{known.symptom}</Code>
              {known.resourceId !== undefined && (
                <>
                  {' of '}
                  <Link to="/services/$id" params={{ id: known.resourceId }}>
                    the service
                  </Link>
                </>
              )}
            </dd>
          </dl>
          <Section title="What happened">
            <Card>
              <Timeline
                bulletSize={12}
                lineWidth={2}
                p="md"
                active={known.timeline.length}
                className={classes.timeline}
              >
                {known.timeline.map((entry) => (
                  <Timeline.Item key={`${entry.at} ${entry.kind} ${entry.message}`} title={entry.message}>
                    <Text size="sm" c="dimmed">
                      {entry.kind}, <Ago at={entry.at} />
                      {entry.actor && `, ${entry.actor.name}`}
                      {entry.runId !== undefined && (
                        <>
                          {', '}
                          <Link to="/runs/$id" params={{ id: entry.runId }}>
                            the run
                          </Link>
                        </>
                      )}
                    </Text>
                  </Timeline.Item>
                ))}
              </Timeline>
            </Card>
          </Section>
          {known.children.length > 0 && (
            <Section title="Because of it" count={known.children.length}>
              <Card>
                {known.children.map((child) => (
                  <IncidentRow key={child.id} incident={child} />
                ))}
              </Card>
            </Section>
          )}
          <Causes evidence={known.evidence} />
          {known.evidence !== undefined && known.evidence !== null && (
            <Section title="Evidence of the instant">
              <details>
                <summary>As it was kept</summary>
                <Code block mt="xs">
                  {JSON.stringify(known.evidence, null, 2)}
                </Code>
              </details>
            </Section>
          )}
        </Page>
      )}
    </Answered>
  );
}

function Actions({ incident: { id, status, acknowledgedBy } }: { readonly incident: Whole }) {
  const { may, me } = useSession();
  const path = { id };
  const acknowledge = useCommand('/api/v1/incidents/{id}/acknowledge', { done: 'It is yours.' });
  if (!may('operate') || me.role === 'agent') return undefined;
  return (
    <>
      {status !== 'resolved' && acknowledgedBy === undefined && (
        <Button loading={acknowledge.isPending} onClick={() => acknowledge.mutate({ path })}>
          I take it
        </Button>
      )}
      <Say path={path} what="note" />
      {status !== 'resolved' && <Say path={path} what="resolve" />}
    </>
  );
}

const SAYINGS = {
  note: { address: '/api/v1/incidents/{id}/notes', button: 'Note…', title: 'Add a note', label: 'Note', field: 'note' },
  resolve: {
    address: '/api/v1/incidents/{id}/resolve',
    button: 'Resolve…',
    title: 'Is it over?',
    label: 'What it was',
    field: 'resolution',
  },
} as const;

function Say({ path, what }: { readonly path: { readonly id: string }; readonly what: keyof typeof SAYINGS }) {
  const { address, button, title, label } = SAYINGS[what];
  const [opened, { open, close }] = useDisclosure();
  const say = useCommand(address, { quiet: true });
  return (
    <>
      <Button variant="default" onClick={open}>
        {button}
      </Button>
      <Ask
        title={title}
        button="Save"
        opened={opened}
        close={close}
        submit={({ text = '' }) => say.mutateAsync({ path, body: { note: text } })}
      >
        <Textarea name="text" label={label} required maxLength={2000} autosize minRows={3} />
      </Ask>
    </>
  );
}
