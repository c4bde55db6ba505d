import { Alert, Button, Code, Group, Progress, Text } from '@mantine/core';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useAnswer } from '../api/use-answer.ts';
import { Ago, Until } from '../parts/ago.tsx';
import { Answered } from '../parts/answered.tsx';
import { Card, Row, Section } from '../parts/card.tsx';
import { Decision } from '../parts/decision.tsx';
import { tookOf } from '../parts/length.ts';
import { Page } from '../parts/page.tsx';
import { Impact, Plan, type Run as Whole } from '../parts/plan.tsx';
import { PlanLink } from '../parts/plan-link.tsx';
import { State } from '../parts/state.tsx';
import { UNFINISHED } from '../parts/unfinished.ts';
import { useCommand } from '../parts/use-command.ts';
import { useSession } from '../session/session.tsx';

export function Run() {
  const { id } = useParams({ from: '/runs/$id' });
  const run = useAnswer('/api/v1/runs/{id}', { path: { id } });
  return (
    <Answered answer={run}>
      {(known) => (
        <Page
          title={[known.automation, known.target?.name].filter(Boolean).join(' ')}
          about={
            <Group gap="xs">
              <State word={known.status} />
              {known.dryRun && <State word="plan only" tone="calm" />}
              <span>
                {known.trigger} by {known.actor.name}, <Ago at={known.createdAt} />
                {known.reason !== undefined && `: ${known.reason}`}
              </span>
            </Group>
          }
          actions={<Actions run={known} />}
        >
          {known.error && (
            <Alert color="red" mt="md" title={known.error.message}>
              {known.error.hint}
            </Alert>
          )}
          {known.progress && UNFINISHED.has(known.status) && <Doing progress={known.progress} />}
          {known.status === 'waiting-approval' ? (
            <Section title="The plan">
              <Card tone="warn">
                <Row>
                  <div className="grow">
                    <Plan changes={known.plan ?? []} />
                    {known.impact && <Impact impact={known.impact} />}
                    {known.expiresAt !== undefined && (
                      <Text size="sm" c="dimmed" mb="sm">
                        Expires <Until at={known.expiresAt} />
                      </Text>
                    )}
                    <Decision run={known} />
                  </div>
                </Row>
              </Card>
            </Section>
          ) : (
            <Changes run={known} />
          )}
          <Checks checks={known.checks} />
          <Phases run={known} />
          <Section title="What it was asked">
            <Code block>{JSON.stringify(known.input, null, 2)}</Code>
          </Section>
          {known.output !== undefined && (
            <Section title="What it found">
              <Code block>{JSON.stringify(known.output, null, 2)}</Code>
            </Section>
          )}
        </Page>
      )}
    </Answered>
  );
}

function Doing({ progress: { done, total, message } }: { readonly progress: NonNullable<Whole['progress']> }) {
  return (
    <div role="status">
      <Progress
        mt="md"
        value={total === undefined ? 100 : (100 * done) / Math.max(1, total)}
        animated={total === undefined}
        aria-label="Progress"
      />
      <Text size="sm" c="dimmed">
        {total === undefined ? done : `${done} of ${total}`} {message}
      </Text>
    </div>
  );
}

/** Of such a run nothing was carried out. */
const UNTOUCHED: ReadonlySet<string> = new Set(['stale', 'rejected', 'expired']);

function Changes({ run: { status, changes, plan } }: { readonly run: Whole }) {
  if (changes.length === 0 && plan === undefined) return undefined;
  return (
    <Section title={UNTOUCHED.has(status) ? 'What was planned' : 'What changed'} count={changes.length}>
      <Card>
        {changes.length === 0 && (
          <Row>
            <Plan changes={plan ?? []} />
          </Row>
        )}
        {changes.map(({ id, title, status: came, startedAt, finishedAt, error, receipt, attempts }) => (
          <Row key={id}>
            <State word={came} />
            <span className="grow">
              {title}
              {attempts > 1 && ` (${attempts} attempts)`}
              {error && (
                <Text size="sm" c="var(--bad)">
                  {error.message}
                </Text>
              )}
              {receipt !== undefined && (
                <details>
                  <summary>Receipt</summary>
                  <Code block>{JSON.stringify(receipt, null, 2)}</Code>
                </details>
              )}
            </span>
            {startedAt !== undefined && finishedAt !== undefined && (
              <Text size="sm" c="dimmed">
                {tookOf(Date.parse(finishedAt) - Date.parse(startedAt))}
              </Text>
            )}
          </Row>
        ))}
      </Card>
    </Section>
  );
}

function Checks({ checks }: { readonly checks: Whole['checks'] }) {
  if (checks.length === 0) return undefined;
  return (
    <Section title="Proof" count={`${checks.filter(({ ok }) => ok).length} of ${checks.length} hold`}>
      <Card>
        {checks.map(({ name, ok, evidence }) => (
          <Row key={name}>
            <State word={ok ? 'holds' : 'does not hold'} tone={ok ? 'good' : 'bad'} />
            <span className="grow">
              {name}
              {evidence !== undefined && (
                <details>
                  <summary>Evidence</summary>
                  <Code block>{JSON.stringify(evidence, null, 2)}</Code>
                </details>
              )}
            </span>
          </Row>
        ))}
      </Card>
    </Section>
  );
}

function Phases({ run: { phases, node, causation, relation } }: { readonly run: Whole }) {
  return (
    <Section title="How it went">
      <Card>
        {phases.map(({ phase, startedAt, finishedAt }) => (
          <Row key={`${phase} ${startedAt}`}>
            <span className="grow">{phase}</span>
            <Text size="sm" c="dimmed">
              {finishedAt === undefined ? 'goes on' : tookOf(Date.parse(finishedAt) - Date.parse(startedAt))}
            </Text>
          </Row>
        ))}
        <Row>
          <Text size="sm" c="dimmed">
            On {node}
            {causation.incidentId !== undefined && (
              <>
                {', because of '}
                <Link to="/incidents/$id" params={{ id: causation.incidentId }}>
                  an incident
                </Link>
              </>
            )}
            {relation && (
              <>
                {`, ${relation.kind} `}
                <Link to="/runs/$id" params={{ id: relation.runId }}>
                  another run
                </Link>
              </>
            )}
          </Text>
        </Row>
      </Card>
    </Section>
  );
}

function Actions({ run: { id, automation, input, status, dryRun, changes } }: { readonly run: Whole }) {
  const { may, me } = useSession();
  const navigate = useNavigate();
  const follow = (next: { readonly id: string } | undefined): void => {
    if (next) void navigate({ to: '/runs/$id', params: { id: next.id } });
  };
  const path = { id };
  const cancel = useCommand('/api/v1/runs/{id}/cancel', { done: 'It is being canceled.' });
  const repeat = useCommand('/api/v1/runs/{id}/repeat');
  const undo = useCommand('/api/v1/runs/{id}/undo');
  if (!may('operate') || me.role === 'agent') return undefined;
  const finished = !UNFINISHED.has(status);
  return (
    <>
      {!finished && (
        <Button variant="default" loading={cancel.isPending} onClick={() => cancel.mutate({ path })}>
          Cancel
        </Button>
      )}
      {finished && !dryRun && changes.some(({ status: each }) => each === 'done') && (
        <Button
          variant="default"
          loading={undo.isPending}
          onClick={() => undo.mutate({ path }, { onSuccess: (next) => follow(next) })}
        >
          Take back
        </Button>
      )}
      {status === 'stale' && (
        <PlanLink automation={automation} input={input as Readonly<Record<string, unknown>>} primary>
          Plan it anew
        </PlanLink>
      )}
      {finished && status !== 'stale' && (
        <Button
          variant="default"
          loading={repeat.isPending}
          onClick={() => repeat.mutate({ path }, { onSuccess: (next) => follow(next) })}
        >
          Run again
        </Button>
      )}
    </>
  );
}
