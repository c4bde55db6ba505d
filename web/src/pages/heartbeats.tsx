import { Button, Group, Menu, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useState } from 'react';
import type { Answer } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Ago, Until } from '../parts/ago.tsx';
import { Answered } from '../parts/answered.tsx';
import { Ask } from '../parts/ask.tsx';
import { Card, Row } from '../parts/card.tsx';
import { CreateHeartbeat, PingAddress } from '../parts/heartbeat-address.tsx';
import { Page } from '../parts/page.tsx';
import { State } from '../parts/state.tsx';
import { toneOf } from '../parts/tone.ts';
import { useCommand } from '../parts/use-command.ts';
import { useSession } from '../session/session.tsx';

type Heartbeat = Answer<'/api/v1/heartbeats'>['items'][number];

const ORDER = ['down', 'late', 'too-often', 'unknown', 'started', 'waiting', 'up', 'paused'];
const worstFirst = (one: Heartbeat, other: Heartbeat): number =>
  ORDER.indexOf(one.state) - ORDER.indexOf(other.state) || one.name.localeCompare(other.name);

/** Whether the jobs of others still tell of themselves. */
export function Heartbeats() {
  const heartbeats = useAnswer('/api/v1/heartbeats');
  return (
    <Page title="Heartbeats" about={heartbeats.data && sentence(heartbeats.data.items)} actions={<CreateHeartbeat />}>
      <Answered answer={heartbeats}>
        {({ items }) =>
          items.length === 0 ? (
            <Text c="dimmed" mt="md">
              No job is expected to tell of itself. Create a heartbeat, and put its address at the end of the line in
              the crontab: when the job stays away, it is an incident.
            </Text>
          ) : (
            <Card>
              {items.toSorted(worstFirst).map((heartbeat) => (
                <Line key={heartbeat.name} heartbeat={heartbeat} />
              ))}
            </Card>
          )
        }
      </Answered>
    </Page>
  );
}

function sentence(items: readonly Heartbeat[]): string {
  if (items.length === 0) return 'Jobs outside Steward that tell of themselves.';
  const troubled = items.filter(({ state }) => ['down', 'late', 'too-often'].includes(state));
  return troubled.length === 0
    ? `None of ${items.length} jobs is overdue.`
    : `Not as expected: ${troubled.map(({ name }) => name).join(', ')}.`;
}

function Line({ heartbeat }: { readonly heartbeat: Heartbeat }) {
  const { name, state, message, expected, grace, dueAt, lastPingAt, lastDuration, lastExitCode, adoption } = heartbeat;
  const [opened, { toggle }] = useDisclosure();
  return (
    <Row>
      <div className="grow">
        <strong>{name}</strong> <State word={state} tone={state === 'too-often' ? 'warn' : toneOf(state)} />{' '}
        {adoption === 'pending' && <State word="not adopted yet" tone="warn" />}
        <Text size="sm">{message}</Text>
        <Text size="sm" c="dimmed">
          Expected {expected}, {grace} of grace
          {lastPingAt !== undefined && (
            <>
              {' · last heard '}
              <Ago at={lastPingAt} />
            </>
          )}
          {lastDuration !== undefined && ` · took ${lastDuration}`}
          {lastExitCode !== undefined && ` · exit code ${lastExitCode}`}
        </Text>
        {opened && <Said name={name} />}
      </div>
      {dueAt !== undefined && state !== 'paused' && (
        <Text size="sm" c="dimmed" component="span">
          due <Until at={dueAt} />
        </Text>
      )}
      <Group gap="xs">
        <Button
          size="compact-sm"
          variant="default"
          onClick={toggle}
          aria-expanded={opened}
          aria-label={opened ? `Less about ${name}` : `What it said: ${name}`}
        >
          {opened ? 'Less' : 'What it said'}
        </Button>
        <Actions heartbeat={heartbeat} />
      </Group>
    </Row>
  );
}

function Said({ name }: { readonly name: string }) {
  const one = useAnswer('/api/v1/heartbeat-get', { query: { name } });
  return (
    <Answered answer={one} lines={2}>
      {({ pings }) =>
        pings.length === 0 ? (
          <Text size="sm">It has said nothing yet.</Text>
        ) : (
          <ul>
            {pings.slice(0, 20).map(({ at, signal, exitCode, duration, from, body }) => (
              <li key={`${at} ${signal}`}>
                <State word={signal} tone={SIGNALS[signal]} /> <Ago at={at} /> from {from}
                {exitCode !== undefined && `, exit code ${exitCode}`}
                {duration !== undefined && `, took ${duration}`}
                {body !== undefined && <pre>{body}</pre>}
              </li>
            ))}
          </ul>
        )
      }
    </Answered>
  );
}

const SIGNALS = { start: 'calm', success: 'good', fail: 'bad', log: 'calm' } as const;

function Actions({ heartbeat: { name, state, origin, adoption } }: { readonly heartbeat: Heartbeat }) {
  const { me, may } = useSession();
  const [address, setAddress] = useState<{ readonly url: string; readonly curl: string }>();
  const [renewing, renewal] = useDisclosure();
  const [removing, removal] = useDisclosure();
  const pause = useCommand('/api/v1/pause-heartbeat', { done: `Nothing is expected of ${name} for now.` });
  const resume = useCommand('/api/v1/resume-heartbeat', { done: `${name} is expected again.` });
  const renew = useCommand('/api/v1/renew-heartbeat-address', { quiet: true });
  const remove = useCommand('/api/v1/remove-heartbeat', { done: `${name} is removed.`, quiet: true });
  if (!may('operate') || me.role === 'agent') return undefined;
  const body = { name };
  return (
    <>
      {state === 'paused' || adoption === 'pending' ? (
        <Button size="compact-sm" variant="default" loading={resume.isPending} onClick={() => resume.mutate({ body })}>
          {adoption === 'pending' ? 'Adopt' : 'Resume'}
        </Button>
      ) : (
        <Button size="compact-sm" variant="default" loading={pause.isPending} onClick={() => pause.mutate({ body })}>
          Pause
        </Button>
      )}
      <Menu position="bottom-end">
        <Menu.Target>
          <Button size="compact-sm" variant="default" aria-label={`More about ${name}`}>
            More
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={renewal.open}>New address…</Menu.Item>
          {origin === 'made' && <Menu.Item onClick={removal.open}>Remove…</Menu.Item>}
        </Menu.Dropdown>
      </Menu>
      <Ask
        title={`A new address for ${name}?`}
        text="The one before it is of no use any more: the line in the crontab has to be changed."
        button="Give it a new address"
        opened={renewing}
        close={renewal.close}
        submit={async () => setAddress(await renew.mutateAsync({ body }))}
      />
      <Ask
        title={`Remove ${name}?`}
        text="Its address answers no more, and nobody notices when the job stays away."
        button="Remove"
        danger
        opened={removing}
        close={removal.close}
        submit={() => remove.mutateAsync({ body })}
      />
      <PingAddress name={name} address={address} close={() => setAddress(undefined)} />
    </>
  );
}
