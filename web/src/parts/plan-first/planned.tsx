import { Alert, Button, Code, Group, Loader, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { ask } from '../../api/client.ts';
import { wordsOf } from '../../api/refused.ts';
import { Card, Row, Section } from '../card.tsx';
import { Impact, Plan, type Run } from '../plan.tsx';
import { State } from '../state.tsx';
import { UNFINISHED } from '../unfinished.ts';
import { useCommand } from '../use-command.ts';
import { apply } from './start.ts';
import type { Wanted } from './wanted.ts';

const WAIT_SECONDS = 20;

interface PlannedProps {
  readonly wanted: Wanted;
  /** The dry run. */
  readonly id: string;
  readonly back: () => void;
}

/** The plan of a dry run, once it is there, and the way to have that very plan applied. */
export function Planned({ wanted, id, back }: PlannedProps) {
  const run = useQuery({
    queryKey: ['/api/v1/runs/{id}', { path: { id } }],
    queryFn: ({ signal }) => ask('/api/v1/runs/{id}', { path: { id }, query: { waitSeconds: WAIT_SECONDS } }, signal),
    // Never the plan of another input.
    placeholderData: () => undefined,
    refetchInterval: ({ state: { data } }) => (data !== undefined && !UNFINISHED.has(data.status) ? false : 1_000),
  });
  const known = run.data;
  return (
    <Section title="The plan">
      <Card tone={known?.status === 'failed' ? 'bad' : undefined}>
        <Row>
          <div className="grow" role="status">
            {known === undefined && run.error ? (
              <Alert color="red">{wordsOf(run.error)}</Alert>
            ) : known === undefined || UNFINISHED.has(known.status) ? (
              <Planning id={id} message={known?.progress?.message} />
            ) : known.status === 'succeeded' ? (
              <ThePlan run={known} />
            ) : (
              <NoPlan run={known} />
            )}
          </div>
        </Row>
        <Row>
          {known?.status === 'succeeded' && (known.plan?.length ?? 0) > 0 && <Apply wanted={wanted} run={known} />}
          <Button variant="default" onClick={back}>
            Change the input
          </Button>
          <Text size="sm">
            <Link to="/runs/$id" params={{ id }}>
              The dry run in the record
            </Link>
          </Text>
        </Row>
      </Card>
    </Section>
  );
}

function Planning({ id, message }: { readonly id: string; readonly message: string | undefined }) {
  const cancel = useCommand('/api/v1/runs/{id}/cancel');
  return (
    <Group>
      <Loader size="sm" />
      <span>{message ?? 'Looking, to plan. Nothing is changed.'}</span>
      <Button size="xs" variant="default" loading={cancel.isPending} onClick={() => cancel.mutate({ path: { id } })}>
        Cancel
      </Button>
    </Group>
  );
}

function ThePlan({ run }: { readonly run: Run }) {
  return (
    <>
      <Plan changes={run.plan ?? []} />
      {run.impact && <Impact impact={run.impact} />}
      <Checks run={run} />
    </>
  );
}

/** What had to hold before there could be a plan. */
function Checks({ run: { checks } }: { readonly run: Run }) {
  return checks.map(({ name, ok }) => (
    <Group key={name} gap="xs" mt={4}>
      <State word={ok ? 'holds' : 'does not hold'} tone={ok ? 'good' : 'bad'} />
      <Text size="sm">{name}</Text>
    </Group>
  ));
}

function NoPlan({ run }: { readonly run: Run }) {
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <State word={run.status} />
        <strong>{run.error?.message ?? 'There is no plan.'}</strong>
      </Group>
      <Text c="dimmed">{run.error?.hint ?? 'Nothing was changed.'}</Text>
      {run.error?.problems?.map(({ path, message }) => (
        <Text key={path} size="sm">
          <Code>{path}</Code> {message}
        </Text>
      ))}
      <Checks run={run} />
    </Stack>
  );
}

function Apply({ wanted, run }: { readonly wanted: Wanted; readonly run: Run }) {
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();

  async function start(): Promise<void> {
    setBusy(true);
    setProblem(undefined);
    try {
      const { id } = await apply(wanted, run.id);
      await navigate({ to: '/runs/$id', params: { id } });
    } catch (refused) {
      setProblem(wordsOf(refused));
    } finally {
      setBusy(false);
    }
  }

  return (
    <>
      {problem !== undefined && (
        <Alert color="red" role="alert" w="100%">
          {problem}
        </Alert>
      )}
      <Button loading={busy} onClick={() => void start()} {...(run.effect === 'destructive' && { color: 'red' })}>
        Apply this plan
      </Button>
      {run.effect === 'destructive' && (
        <Text size="sm" c="dimmed">
          It destroys, so it waits for a person to approve it.
        </Text>
      )}
    </>
  );
}
