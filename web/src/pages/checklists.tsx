import { Button, Group, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { Answer } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Ago, Until } from '../parts/ago.tsx';
import { Answered } from '../parts/answered.tsx';
import { Ask } from '../parts/ask.tsx';
import { Card, Row, Section } from '../parts/card.tsx';
import { Page } from '../parts/page.tsx';
import { State } from '../parts/state.tsx';
import { useCommand } from '../parts/use-command.ts';
import { useSession } from '../session/session.tsx';

type Item = Answer<'/api/v1/checklists'>['items'][number];

const PERIODS = [
  { every: 'week', title: 'This week' },
  { every: 'month', title: 'This month' },
  { every: 'quarter', title: 'This quarter' },
] as const;
const TONES = { done: 'good', open: 'calm', overdue: 'warn' } as const;

/** What is left to do for whoever looks after the machine. */
export function Checklists() {
  const checklists = useAnswer('/api/v1/checklists');
  return (
    <Page title="Checklists" about={checklists.data && sentence(checklists.data.items)}>
      <Answered answer={checklists}>
        {({ items }) => (
          <>
            {PERIODS.map(({ every, title }) => (
              <Section key={every} title={title}>
                <Card>
                  {items
                    .filter((item) => item.every === every)
                    .map((item) => (
                      <Line key={item.task} item={item} />
                    ))}
                </Card>
              </Section>
            ))}
          </>
        )}
      </Answered>
    </Page>
  );
}

function sentence(items: readonly Item[]): string {
  const overdue = items.filter(({ state }) => state === 'overdue');
  const open = items.filter(({ state }) => state === 'open');
  if (overdue.length > 0) return `Overdue: ${overdue.map(({ title }) => title).join(', ')}.`;
  return open.length === 0 ? 'All of it is done.' : `${open.length} of ${items.length} are still to be done.`;
}

function Line({ item }: { readonly item: Item }) {
  const { task, title, state, dueBy, doneAt, doneBy, byPerson = false, note, lastDoneAt, how } = item;
  const { me, may } = useSession();
  const [asking, { open, close }] = useDisclosure();
  const tick = useCommand('/api/v1/tick-checklist', { quiet: true });
  const untick = useCommand('/api/v1/untick-checklist', { done: `${title}: open again, unless Steward can prove it.` });
  const mayTick = may('operate') && me.role !== 'agent';
  return (
    <Row>
      <div className="grow">
        <strong>{title}</strong> <State word={state} tone={TONES[state]} />
        {state === 'done' ? (
          <Text size="sm">
            {doneBy}
            {doneAt !== undefined && (
              <>
                {', '}
                <Ago at={doneAt} />
              </>
            )}
            {note !== undefined && note !== '' && `: ${note}`}
          </Text>
        ) : (
          <Text size="sm">{how}</Text>
        )}
        {state !== 'done' && lastDoneAt !== undefined && (
          <Text size="sm" c="dimmed">
            Last done <Ago at={lastDoneAt} />
          </Text>
        )}
      </div>
      {state !== 'done' && (
        <Text size="sm" c="dimmed" component="span">
          due <Until at={dueBy} />
        </Text>
      )}
      {mayTick && (
        <Group gap="xs">
          <Button
            size="compact-sm"
            variant="default"
            onClick={open}
            aria-label={`${state === 'done' ? 'Note' : 'Done'}: ${title}`}
          >
            {state === 'done' ? 'Note' : 'Done'}
          </Button>
          {byPerson && (
            <Button
              size="compact-sm"
              variant="default"
              loading={untick.isPending}
              onClick={() => untick.mutate({ body: { task } })}
              aria-label={`Take back: ${title}`}
            >
              Take back
            </Button>
          )}
        </Group>
      )}
      <Ask
        title={title}
        text={how}
        button="Done"
        opened={asking}
        close={close}
        submit={async ({ note: found = '' }) => await tick.mutateAsync({ body: { task, note: found } })}
      >
        <TextInput name="note" label="What was found" maxLength={1_000} />
      </Ask>
    </Row>
  );
}
