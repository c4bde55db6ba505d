import { Anchor, Group, Text, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import type { Answer } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Ago, Until } from '../parts/ago.tsx';
import { Answered } from '../parts/answered.tsx';
import { Card, Row, Section } from '../parts/card.tsx';
import { Decision } from '../parts/decision.tsx';
import { IncidentRow } from '../parts/incident-row.tsx';
import { Impact, Plan, type Run } from '../parts/plan.tsx';
import { Question } from '../parts/question.tsx';
import { RunRow } from '../parts/run-row.tsx';
import { State } from '../parts/state.tsx';
import { Verdict } from '../parts/verdict.tsx';

const MARKS = { ok: '', unknown: '○ ', attention: '○ ', broken: '● ' } as const;

/** Is everything all right, and what needs me. */
export function Home() {
  const overview = useAnswer('/api/v1/overview');
  const incidents = useAnswer('/api/v1/incidents', { query: { status: 'unresolved', limit: 50 } }).data?.items ?? [];
  const waiting = useAnswer('/api/v1/runs', { query: { status: ['waiting-approval'], limit: 20 } }).data?.items ?? [];
  const questions = useAnswer('/api/v1/workflow-questions').data?.items ?? [];
  const recent = useAnswer('/api/v1/runs', { query: { limit: 8 } }).data?.items ?? [];
  useDocumentTitle(`${MARKS[overview.data?.verdict ?? 'ok']}Steward`);
  const others = recent.filter(({ status }) => status !== 'waiting-approval');

  return (
    <Answered answer={overview}>
      {(now) => (
        <>
          <Verdict verdict={now.verdict} sentence={now.sentence} />
          {(waiting.length > 0 || questions.length > 0) && (
            <Section title="Needs you" count={waiting.length + questions.length}>
              {waiting.map((run) => (
                <Proposal key={run.id} run={run} />
              ))}
              {questions.length > 0 && (
                <Card>
                  {questions.map((each) => (
                    <Question key={`${each.execution} ${each.step}`} waiting={each} />
                  ))}
                </Card>
              )}
            </Section>
          )}
          {incidents.length > 0 && (
            <Section title="Open incidents" count={incidents.length}>
              <Card>
                {incidents.map((incident) => (
                  <IncidentRow key={incident.id} incident={incident} />
                ))}
              </Card>
            </Section>
          )}
          <Notices notices={now.notices} />
          <Services counts={now.services} />
          {others.length > 0 && (
            <Section
              title="Lately"
              actions={
                <Anchor component={Link} to="/runs" size="sm">
                  All runs
                </Anchor>
              }
            >
              <Card>
                {others.map((run) => (
                  <RunRow key={run.id} run={run} />
                ))}
              </Card>
            </Section>
          )}
        </>
      )}
    </Answered>
  );
}

function Proposal({ run }: { readonly run: Run }) {
  return (
    <section aria-label={`${[run.automation, run.target?.name].filter(Boolean).join(' ')} waits for you`}>
      <Card tone={run.effect === 'destructive' ? 'bad' : 'warn'}>
        <Row>
          <Title order={3} size="h5">
            <Link to="/runs/$id" params={{ id: run.id }} className="quiet-link">
              {run.automation} {run.target?.name}
            </Link>
          </Title>
          {run.effect === 'destructive' && <State word="destroys" tone="bad" />}
          {run.target?.critical === true && <State word="critical" tone="warn" />}
          <Text size="sm" c="dimmed" className="grow">
            Asked for by {run.actor.name}
            {run.actor.role === 'agent' && ' (an AI agent)'}, <Ago at={run.createdAt} />
            {run.reason !== undefined && `: ${run.reason}`}
            {run.expiresAt !== undefined && (
              <>
                {' · expires '}
                <Until at={run.expiresAt} />
              </>
            )}
          </Text>
        </Row>
        <Row>
          <div className="grow">
            <Plan changes={run.plan ?? []} />
            {run.impact && <Impact impact={run.impact} />}
            <Decision run={run} />
          </div>
        </Row>
      </Card>
    </section>
  );
}

function Notices({ notices }: { readonly notices: Answer<'/api/v1/overview'>['notices'] }) {
  if (notices.length === 0) return undefined;
  return (
    <Section title="Notices" count={notices.length}>
      <Card>
        {notices.map(({ id, level, text, hint }) => (
          <Row key={id}>
            <State word={level} />
            <span className="grow">
              {text}
              {hint !== undefined && (
                <Text size="sm" c="dimmed">
                  {hint}
                </Text>
              )}
            </span>
          </Row>
        ))}
      </Card>
    </Section>
  );
}

const ORDER = ['down', 'degraded', 'unknown', 'pending', 'up', 'stopped', 'declared'];

function Services({ counts }: { readonly counts: Readonly<Record<string, unknown>> }) {
  const known = ORDER.flatMap((state) => {
    const count = Number(counts[state] ?? 0);
    return count > 0 ? [{ state, count }] : [];
  });
  return (
    <Section
      title="Services"
      actions={
        <Anchor component={Link} to="/services" size="sm">
          All services
        </Anchor>
      }
    >
      <Card>
        <Row>
          {known.length === 0 ? (
            <Text c="dimmed">Nothing has been found yet. The first look around takes a few seconds.</Text>
          ) : (
            <Group gap="md">
              {known.map(({ state, count }) => (
                <span key={state}>
                  {count} <State word={state} />
                </span>
              ))}
            </Group>
          )}
        </Row>
      </Card>
    </Section>
  );
}
