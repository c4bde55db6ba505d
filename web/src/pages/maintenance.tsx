import { Button, Group, MultiSelect, NativeSelect, Switch, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useState } from 'react';
import type { Answer } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Ago, Until } from '../parts/ago.tsx';
import { Answered } from '../parts/answered.tsx';
import { Ask } from '../parts/ask.tsx';
import { Card, Row, Section } from '../parts/card.tsx';
import { LENGTHS } from '../parts/lengths-of-time.ts';
import { Page } from '../parts/page.tsx';
import { State } from '../parts/state.tsx';
import { useCommand } from '../parts/use-command.ts';
import { useSession } from '../session/session.tsx';

type Window = Answer<'/api/v1/maintenance'>['items'][number];

/** What is kept quiet because somebody works on it. */
export function Maintenance() {
  const [ended, setEnded] = useState(false);
  const windows = useAnswer('/api/v1/maintenance', { query: { ...(ended && { ended }), limit: 100 } });
  return (
    <Page title="Maintenance" about={windows.data && sentence(windows.data.items)} actions={<OpenOne />}>
      <Answered answer={windows}>
        {({ items }) => (
          <>
            <Windows
              title="Open now"
              none="No window is open."
              windows={items.filter(({ state }) => state === 'active')}
            />
            <Windows title="To come" windows={items.filter(({ state }) => state === 'planned')} />
            <Windows title="Again and again" windows={items.filter(({ state }) => state === 'plan')} />
            {ended && (
              <Windows
                title="Over"
                none="None has been open lately."
                windows={items.filter(({ state }) => state === 'ended')}
              />
            )}
          </>
        )}
      </Answered>
      <Switch
        mt="xl"
        label="Show those that are over"
        checked={ended}
        onChange={(event) => setEnded(event.currentTarget.checked)}
      />
    </Page>
  );
}

function sentence(items: readonly Window[]): string {
  const open = items.filter(({ state }) => state === 'active');
  const planned = items.filter(({ state }) => state === 'planned').length;
  const now =
    open.length === 0
      ? 'Nothing is kept quiet.'
      : `${open.map(({ covers }) => covers).join('; ')} ${open.length === 1 ? 'is' : 'are'} kept quiet: probed, but without incident, alert and healing.`;
  return planned === 0 ? now : `${now} ${planned} to come.`;
}

interface WindowsProps {
  readonly title: string;
  readonly none?: string;
  readonly windows: readonly Window[];
}

function Windows({ title, none, windows }: WindowsProps) {
  if (windows.length === 0 && none === undefined) return undefined;
  return (
    <Section title={title} count={windows.length > 0 ? windows.length : undefined}>
      {windows.length === 0 ? (
        <Text c="dimmed">{none}</Text>
      ) : (
        <Card>
          {windows.map((window) => (
            <Line key={window.id} window={window} />
          ))}
        </Card>
      )}
    </Section>
  );
}

function Line({ window }: { readonly window: Window }) {
  const { state, reason, covers, actor, startsAt, endsAt, endedAt, schedule, duration, next = [] } = window;
  const [soonest] = next;
  return (
    <Row>
      <State word={WORDS[state]} tone={state === 'active' ? 'warn' : 'calm'} />
      <div className="grow">
        {reason}
        <Text size="sm" c="dimmed">
          {covers} · by {actor}
          {schedule !== undefined && ` · ${schedule}, for ${duration ?? '?'}`}
        </Text>
      </div>
      <Text size="sm" c="dimmed" component="span">
        {state === 'active' && endsAt !== undefined && (
          <>
            ends <Until at={endsAt} />
          </>
        )}
        {state === 'planned' && startsAt !== undefined && (
          <>
            begins <Until at={startsAt} />
          </>
        )}
        {state === 'plan' && soonest !== undefined && (
          <>
            opens <Until at={soonest} />
          </>
        )}
        {state === 'ended' && endedAt !== undefined && <Ago at={endedAt} />}
      </Text>
      {state !== 'ended' && <Actions window={window} />}
    </Row>
  );
}

const WORDS = { active: 'open', planned: 'planned', plan: 'repeats', ended: 'over' } as const;

function Actions({ window: { id, kind, state, covers } }: { readonly window: Window }) {
  const { me, may } = useSession();
  const [extending, extendWindow] = useDisclosure();
  const [ending, endWindow] = useDisclosure();
  const extend = useCommand('/api/v1/extend-maintenance', { done: 'It lasts longer.', quiet: true });
  const end = useCommand('/api/v1/end-maintenance', { quiet: true });
  if (!may('operate') || me.role === 'agent') return undefined;
  if (kind === 'configured' && state === 'plan')
    return (
      <Text size="sm" c="dimmed">
        in steward.yaml
      </Text>
    );
  return (
    <Group gap="xs">
      {state !== 'plan' && (
        <Button size="compact-sm" variant="default" onClick={extendWindow.open} aria-label={`Extend… ${covers}`}>
          Extend…
        </Button>
      )}
      <Button
        size="compact-sm"
        variant="default"
        onClick={endWindow.open}
        aria-label={`${END[state as keyof typeof END]}… ${covers}`}
      >
        {END[state as keyof typeof END]}…
      </Button>
      <Ask
        title="How much longer?"
        text={covers}
        button="Extend"
        opened={extending}
        close={extendWindow.close}
        submit={({ by = '1h' }) => extend.mutateAsync({ body: { id, by } })}
      >
        <NativeSelect name="by" label="Longer by" data={LENGTHS} defaultValue="1h" />
      </Ask>
      <Ask
        title={`${END[state as keyof typeof END]}: ${covers}?`}
        text={
          state === 'active'
            ? 'What is still wrong with what it covers opens its incident at once.'
            : 'It will not open.'
        }
        button={END[state as keyof typeof END]}
        opened={ending}
        close={endWindow.close}
        submit={() => end.mutateAsync({ body: { id } })}
      />
    </Group>
  );
}

const END = { active: 'End', planned: 'Take back', plan: 'Remove' } as const;

function OpenOne() {
  const { me, may } = useSession();
  const [opened, { open, close }] = useDisclosure();
  const [everything, setEverything] = useState(false);
  const [chosen, setChosen] = useState<string[]>([]);
  const services = useAnswer('/api/v1/services', {}, { when: opened }).data ?? [];
  const machines = useAnswer('/api/v1/registry-nodes', {}, { when: opened }).data?.items ?? [];
  const create = useCommand('/api/v1/create-maintenance', { done: 'It is kept quiet.', quiet: true });
  if (!may('operate') || me.role === 'agent') return undefined;

  const picked = (kind: 'service' | 'node'): string[] =>
    chosen.filter((each) => each.startsWith(`${kind} `)).map((each) => each.slice(kind.length + 1));
  return (
    <>
      <Button onClick={open}>Open a window…</Button>
      <Ask
        title="Open a maintenance window"
        text="No incident, no alert and no healing for what it covers until it ends. Probing goes on."
        button="Open"
        opened={opened}
        close={close}
        submit={({ reason = '', for: length = '1h', from }) =>
          create.mutateAsync({
            body: {
              reason,
              for: length,
              ...(from !== undefined && { from: new Date(from).toISOString() }),
              ...(everything ? { everything } : { services: picked('service'), nodes: picked('node') }),
            },
          })
        }
      >
        <Switch
          label="All that Steward watches"
          checked={everything}
          onChange={(event) => setEverything(event.currentTarget.checked)}
        />
        {!everything && (
          <MultiSelect
            label="What"
            placeholder={chosen.length === 0 ? 'Services and nodes' : ''}
            searchable
            value={chosen}
            onChange={setChosen}
            data={[
              { group: 'Services', items: services.map(({ name }) => ({ value: `service ${name}`, label: name })) },
              { group: 'Nodes', items: machines.map(({ name }) => ({ value: `node ${name}`, label: name })) },
            ]}
          />
        )}
        <TextInput
          name="reason"
          label="Why"
          description="Shown wherever something is kept quiet."
          required
          maxLength={500}
        />
        <NativeSelect name="for" label="How long" data={LENGTHS} defaultValue="1h" />
        <TextInput name="from" type="datetime-local" label="From" description="Now, where it is left empty." />
      </Ask>
    </>
  );
}
