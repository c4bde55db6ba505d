import { Alert, Button, Code, Group, Switch, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import type { Answer } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Ago, Until } from '../parts/ago.tsx';
import { Answered } from '../parts/answered.tsx';
import { Ask } from '../parts/ask.tsx';
import { Card, Row, Section } from '../parts/card.tsx';
import { tookOf } from '../parts/length.ts';
import { Page } from '../parts/page.tsx';
import { Question } from '../parts/question.tsx';
import { State } from '../parts/state.tsx';
import { Steps } from '../parts/steps.tsx';
import { toneOf } from '../parts/tone.ts';
import { useCommand } from '../parts/use-command.ts';
import { useSession } from '../session/session.tsx';

type Whole = Answer<'/api/v1/workflow-executions/{id}'>;
type Step = Whole['steps'][number];

const GOES_ON: ReadonlySet<string> = new Set(['running', 'waiting']);

/** One time that a chain ran: where it stands, and what it needs. */
export function Execution() {
  const { id } = useParams({ from: '/workflow-executions/$id' });
  const execution = useAnswer('/api/v1/workflow-executions/{id}', { path: { id } });
  return (
    <Answered answer={execution}>
      {(known) => (
        <Page
          title={known.workflow}
          about={
            <Group gap="xs">
              <State word={known.status} />
              {known.dryRun && <State word="plan only" tone="calm" />}
              <span>
                {known.trigger} by {known.actor.name}, <Ago at={known.startedAt} />
                {known.finishedAt !== undefined &&
                  `, took ${tookOf(Date.parse(known.finishedAt) - Date.parse(known.startedAt))}`}
                {' · '}
                <Link to="/workflows/$name" params={{ name: known.workflow }}>
                  the workflow
                </Link>
                {known.retries !== undefined && (
                  <>
                    {' · goes on with '}
                    <Link to="/workflow-executions/$id" params={{ id: known.retries }}>
                      an earlier execution
                    </Link>
                  </>
                )}
              </span>
            </Group>
          }
          actions={<Actions execution={known} />}
        >
          {known.error && <Failure error={known.error} />}
          <Questions execution={known} />
          <Section
            title="Steps"
            count={`${known.steps.filter(({ status }) => status === 'succeeded').length} of ${known.steps.length} done`}
          >
            <Card>
              <Row>
                <div className="grow" role={GOES_ON.has(known.status) ? 'status' : undefined}>
                  <Steps steps={known.steps} toneOf={({ status }) => toneOf(status)}>
                    {(step) => <StepLine step={step} />}
                  </Steps>
                </div>
              </Row>
            </Card>
          </Section>
          <Log id={id} />
          {Object.keys(known.context).length > 0 && (
            <Section title="What it was told">
              <Code block>{JSON.stringify(known.context, null, 2)}</Code>
            </Section>
          )}
        </Page>
      )}
    </Answered>
  );
}

function Failure({ error }: { readonly error: NonNullable<Whole['error']> }) {
  const { message, hint, step } = error as Partial<Record<'message' | 'hint' | 'step', string>>;
  return (
    <Alert color="red" mt="md" title={message ?? 'It failed.'}>
      {step !== undefined && `In step ${step}. `}
      {hint}
    </Alert>
  );
}

function Questions({ execution }: { readonly execution: Whole }) {
  const asking = execution.steps.filter(({ status, question }) => status === 'waiting' && question !== undefined);
  if (asking.length === 0) return undefined;
  return (
    <Section title="It waits for an answer">
      <Card tone="warn">
        {asking.flatMap(({ id, question, startedAt, until }) =>
          question === undefined ? (
            []
          ) : (
            <Question
              key={id}
              waiting={{
                execution: execution.id,
                workflow: execution.workflow,
                step: id,
                question: question.text,
                answers: question.answers,
                role: question.role,
                ...(startedAt !== undefined && { since: startedAt }),
                ...(until !== undefined && { until }),
              }}
            />
          ),
        )}
      </Card>
    </Section>
  );
}

function StepLine({ step }: { readonly step: Step }) {
  const { title, automation, status, ended, runId, message, attempt, startedAt, finishedAt, until, planned } = step;
  const waits = status === 'waiting' && until !== undefined;
  return (
    <>
      {title} <State word={planned === true && status === 'succeeded' ? 'planned' : status} />{' '}
      {ended !== undefined && <State word={ended} tone="warn" />}
      <Text size="sm" c="dimmed" component="div">
        {runId === undefined ? (
          automation
        ) : (
          <Link to="/runs/$id" params={{ id: runId }}>
            {automation ?? 'its run'}
          </Link>
        )}
        {attempt !== undefined && attempt > 1 && `, attempt ${attempt}`}
        {startedAt !== undefined && finishedAt !== undefined && (
          <span> {tookOf(Date.parse(finishedAt) - Date.parse(startedAt))}</span>
        )}
        {waits && (
          <>
            {' ends by itself '}
            <Until at={until} />
          </>
        )}
        {message !== undefined && <div>{message}</div>}
      </Text>
    </>
  );
}

function Actions({ execution: { id, workflow, status, dryRun, context } }: { readonly execution: Whole }) {
  const { may, me } = useSession();
  const navigate = useNavigate();
  const [opened, { open, close }] = useDisclosure();
  const cancel = useCommand('/api/v1/cancel-workflow', { done: 'It is being ended.', quiet: true });
  const retry = useCommand('/api/v1/retry-workflow');
  const execute = useCommand('/api/v1/execute-workflow');
  const follow = {
    onSuccess: (next: { id: string }) => void navigate({ to: '/workflow-executions/$id', params: { id: next.id } }),
  };
  if (!may('operate') || me.role === 'agent') return undefined;
  return (
    <>
      {GOES_ON.has(status) && (
        <Button variant="default" onClick={open}>
          Cancel…
        </Button>
      )}
      {!dryRun && ['failed', 'canceled'].includes(status) && (
        <Button loading={retry.isPending} onClick={() => retry.mutate({ body: { id } }, follow)}>
          Go on where it failed
        </Button>
      )}
      {dryRun && status === 'succeeded' && (
        <Button loading={execute.isPending} onClick={() => execute.mutate({ body: { id: workflow, context } }, follow)}>
          Run it now
        </Button>
      )}
      <Ask
        title={`End this execution of ${workflow}?`}
        text="What runs is canceled, what waits waits no longer, and the steps for errors run."
        button="End it"
        danger
        opened={opened}
        close={close}
        submit={({ reason }) => cancel.mutateAsync({ body: { id, ...(reason && { reason }) } })}
      >
        <TextInput name="reason" label="Why" maxLength={500} />
      </Ask>
    </>
  );
}

const SHOWN = 500;

function Log({ id }: { readonly id: string }) {
  const [trace, setTrace] = useState(false);
  const log = useAnswer('/api/v1/workflow-log', { query: { id, ...(trace && { trace }) } });
  return (
    <Section
      title="Log"
      actions={
        <Switch
          label="With phases and changes"
          checked={trace}
          onChange={(event) => setTrace(event.currentTarget.checked)}
        />
      }
    >
      <Answered answer={log}>
        {({ items }) =>
          items.length === 0 ? (
            <Text c="dimmed">Its runs have written nothing.</Text>
          ) : (
            <>
              {items.length > SHOWN && (
                <Text size="sm" c="dimmed">
                  The newest {SHOWN} of {items.length} lines.
                </Text>
              )}
              <Code block tabIndex={0} role="log" aria-label="Log" mah="28rem" style={{ overflow: 'auto' }}>
                {items
                  .slice(-SHOWN)
                  .map(
                    ({ at, step, level, message }) =>
                      `${new Date(at).toLocaleTimeString()} ${step} ${level} ${message}`,
                  )
                  .join('\n')}
              </Code>
            </>
          )
        }
      </Answered>
    </Section>
  );
}
