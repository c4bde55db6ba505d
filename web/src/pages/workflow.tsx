import { Alert, Button, Text } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { ask, type Answer } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Ago, Until } from '../parts/ago.tsx';
import { Answered } from '../parts/answered.tsx';
import { Card, Row, Section } from '../parts/card.tsx';
import { tookOf } from '../parts/length.ts';
import { Page } from '../parts/page.tsx';
import { PauseSwitch } from '../parts/pause-switch.tsx';
import { startOf } from '../parts/start-words.ts';
import { State } from '../parts/state.tsx';
import { Steps } from '../parts/steps.tsx';
import { useCommand } from '../parts/use-command.ts';
import { useSession } from '../session/session.tsx';

type Whole = Answer<'/api/v1/workflows'>['items'][number];

/** What one chain does, when, and how it went time after time. */
export function Workflow() {
  const { name } = useParams({ from: '/workflows/$name' });
  const workflows = useAnswer('/api/v1/workflows');
  return (
    <Answered answer={workflows}>
      {({ items }) => {
        const workflow = items.find((each) => each.name === name || each.aliases.includes(name));
        return workflow ? (
          <Known workflow={workflow} />
        ) : (
          <Page title="There is no such workflow" about={<Link to="/workflows">All workflows</Link>}>
            {undefined}
          </Page>
        );
      }}
    </Answered>
  );
}

function Known({ workflow }: { readonly workflow: Whole }) {
  const { title, summary, name, aliases, priority, mandatory, ifMissed, steps, definition } = workflow;
  const lacking = steps.filter(({ available }) => !available);
  return (
    <Page title={title} about={summary} actions={<Start name={name} />}>
      {lacking.length > 0 && (
        <Alert color="yellow" mt="md" title="Not all of its steps are in this version of Steward">
          {lacking.map(({ title: each }) => each).join(', ')}
        </Alert>
      )}
      <Section title="What it does" count={steps.length}>
        <Card>
          <Row>
            <div className="grow">
              <Steps steps={steps} toneOf={({ available }) => (available ? 'calm' : 'warn')}>
                {(step) => (
                  <>
                    {step.title} {step.waits === true && <State word="waits" tone="calm" />}
                    {!step.available && <State word="not in this version" tone="warn" />}
                    <Text size="sm" c="dimmed">
                      {[step.automation, step.needs && `after ${step.needs.join(', ')}`].filter(Boolean).join(' · ')}
                    </Text>
                  </>
                )}
              </Steps>
            </div>
          </Row>
        </Card>
      </Section>
      <Starts workflow={workflow} />
      <Executions name={name} />
      <Section title="About it">
        <dl className="facts">
          <dt>Name</dt>
          <dd>{[name, ...aliases].join(', ')}</dd>
          <dt>Priority</dt>
          <dd>
            {priority}
            {mandatory && ', a failure needs a person'}
          </dd>
          <dt>If it does not run</dt>
          <dd>{ifMissed}</dd>
          <dt>Definition</dt>
          <dd>{definition}</dd>
        </dl>
      </Section>
    </Page>
  );
}

/** First what each step would change; the page of that execution offers to do it. */
function Start({ name }: { readonly name: string }) {
  const { may, me } = useSession();
  const navigate = useNavigate();
  const execute = useCommand('/api/v1/execute-workflow');
  if (!may('operate') || me.role === 'agent') return undefined;
  return (
    <Button
      loading={execute.isPending}
      onClick={() =>
        execute.mutate(
          { body: { id: name, dryRun: true } },
          { onSuccess: ({ id }) => void navigate({ to: '/workflow-executions/$id', params: { id } }) },
        )
      }
    >
      Plan a run
    </Button>
  );
}

function Starts({ workflow: { name, triggers } }: { readonly workflow: Whole }) {
  const entries = (useAnswer('/api/v1/schedules').data?.items ?? []).filter(({ id }) => id.startsWith(`${name}:`));
  const [first] = entries;
  return (
    <Section title="What starts it" actions={<PauseSwitch component={name} paused={first?.state === 'paused'} />}>
      <Card>
        {triggers.length === 0 && (
          <Row>
            <Text c="dimmed">Nothing: it runs when somebody asks for it.</Text>
          </Row>
        )}
        {first?.pause && (
          <Row>
            <State word="paused" />
            <span className="grow">
              by {first.pause.by}, <Ago at={first.pause.since} />: {first.pause.reason}
              {first.pause.until !== undefined && (
                <>
                  {'; over '}
                  <Until at={first.pause.until} />
                </>
              )}
            </span>
          </Row>
        )}
        {triggers.map((trigger, index) => {
          const [next] = entries.find(({ id }) => id === `${name}:${index}`)?.next ?? [];
          return (
            <Row key={startOf(trigger)}>
              <span className="grow">{startOf(trigger)}</span>
              {next !== undefined && (
                <Text size="sm" c="dimmed" component="span">
                  next <Until at={next} />
                </Text>
              )}
            </Row>
          );
        })}
      </Card>
    </Section>
  );
}

function Executions({ name }: { readonly name: string }) {
  const executions = useInfiniteQuery({
    queryKey: ['/api/v1/workflow-executions', name],
    queryFn: async ({ pageParam, signal }) =>
      await ask(
        '/api/v1/workflow-executions',
        { query: { id: name, limit: 20, ...(pageParam !== undefined && { cursor: pageParam }) } },
        signal,
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next }) => next,
  });
  return (
    <Section title="How it went">
      <Answered answer={executions}>
        {() => {
          const items = executions.data?.pages.flatMap((page) => page.items) ?? [];
          if (items.length === 0) return <Text c="dimmed">It has not run yet.</Text>;
          return (
            <>
              <Card>
                {items.map(({ id, status, dryRun, trigger, actor, startedAt, finishedAt, error }) => (
                  <Row key={id}>
                    <Link to="/workflow-executions/$id" params={{ id }} className="quiet-link">
                      <Ago at={startedAt} />
                    </Link>
                    <State word={status} />
                    {dryRun && <State word="plan only" tone="calm" />}
                    <Text size="sm" c="dimmed" className="grow" truncate>
                      {typeof error?.['message'] === 'string' ? error['message'] : `${trigger}, by ${actor.name}`}
                    </Text>
                    <Text size="sm" c="dimmed">
                      {finishedAt === undefined ? 'goes on' : tookOf(Date.parse(finishedAt) - Date.parse(startedAt))}
                    </Text>
                  </Row>
                ))}
              </Card>
              {executions.hasNextPage && (
                <Button
                  variant="default"
                  mt="md"
                  loading={executions.isFetchingNextPage}
                  onClick={() => void executions.fetchNextPage()}
                >
                  Earlier ones
                </Button>
              )}
            </>
          );
        }}
      </Answered>
    </Section>
  );
}
