import { SegmentedControl, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago, Until } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { tookOf } from '../../parts/length.ts';
import { Page } from '../../parts/page.tsx';
import { PauseSwitch } from '../../parts/pause-switch.tsx';
import { State } from '../../parts/state.tsx';
import { Differences } from './differences.tsx';
import { Preview } from './preview.tsx';
import { Week } from './week.tsx';

type Entry = Answer<'/api/v1/schedules'>['items'][number];

const soonestFirst = (one: Entry, other: Entry): number =>
  (one.next[0] ?? '9').localeCompare(other.next[0] ?? '9') || one.id.localeCompare(other.id);

/** What runs by the clock, what comes next, and whether it did. */
export function Schedules() {
  const schedules = useAnswer('/api/v1/schedules');
  const [kind, setKind] = useState('workflow');
  return (
    <Page title="Schedules" about={schedules.data && sentence(schedules.data.items)}>
      <Week />
      <Section
        title="What comes next"
        actions={
          <SegmentedControl
            size="xs"
            aria-label="Which"
            value={kind}
            onChange={setKind}
            data={[
              { value: 'workflow', label: 'Workflows' },
              { value: 'job', label: 'Steward’s own jobs' },
              { value: 'paused', label: 'Paused' },
            ]}
          />
        }
      >
        <Answered answer={schedules} lines={8}>
          {({ items }) => {
            const shown = items.filter((entry) => (kind === 'paused' ? entry.state === 'paused' : entry.kind === kind));
            return shown.length === 0 ? (
              <Text c="dimmed">{kind === 'paused' ? 'Nothing is paused.' : 'Nothing runs by the clock.'}</Text>
            ) : (
              <Card>
                {shown.toSorted(soonestFirst).map((entry) => (
                  <Line key={entry.id} entry={entry} />
                ))}
              </Card>
            );
          }}
        </Answered>
      </Section>
      <Differences />
      <Preview />
    </Page>
  );
}

function sentence(items: readonly Entry[]): string {
  const [first] = items.filter(({ kind, state }) => kind === 'workflow' && state === 'active').toSorted(soonestFirst);
  const paused = items.filter(({ state }) => state === 'paused').length;
  const missed = items.filter((entry) => entry.missed > 0).length;
  const failed = items.filter(({ last }) => last?.outcome === 'failed').length;
  return [
    first ? `Next is ${first.what}.` : 'Nothing comes next.',
    failed > 0 ? `${failed} failed last time.` : 'None failed last time.',
    ...(paused > 0 ? [`${paused} paused.`] : []),
    ...(missed > 0 ? [`${missed} left out a time within the last week.`] : []),
  ].join(' ');
}

function Line({ entry }: { readonly entry: Entry }) {
  const { id, what, kind, when, zone, next, state, pause, missed, last, load } = entry;
  const component = kind === 'workflow' ? id.replace(/:\d+$/, '') : id;
  const [soonest] = next;
  return (
    <Row>
      <div className="grow">
        {kind === 'workflow' ? (
          <Link to="/workflows/$name" params={{ name: component }} className="quiet-link">
            {what}
          </Link>
        ) : (
          what
        )}{' '}
        {state === 'paused' && <State word="paused" />} {load !== 'light' && <State word={LOADS[load]} tone="calm" />}
        <Text size="sm" c="dimmed">
          {component} · {when} {zone}
          {missed > 0 && ` · ${missed} left out within the last week`}
        </Text>
        {pause && (
          <Text size="sm" c="dimmed">
            Paused by {pause.by}, <Ago at={pause.since} />: {pause.reason}
            {pause.until !== undefined && (
              <>
                {'; over '}
                <Until at={pause.until} />
              </>
            )}
          </Text>
        )}
        {last?.error !== undefined && (
          <Text size="sm" c="var(--bad)">
            {last.error}
          </Text>
        )}
      </div>
      <Text size="sm" component="span">
        {soonest === undefined ? 'never again' : <Until at={soonest} />}
      </Text>
      <Text size="sm" c="dimmed" component="span">
        <Last last={last} />
      </Text>
      <PauseSwitch component={component} paused={state === 'paused'} />
    </Row>
  );
}

const LOADS = { io: 'works the disk', cpu: 'works the processor' } as const;

function Last({ last }: { readonly last: Entry['last'] }) {
  if (!last) return 'not yet';
  const told = (
    <>
      {last.outcome !== undefined && <State word={last.outcome} />} <Ago at={last.at} />
      {last.durationMs !== undefined && `, ${tookOf(last.durationMs)}`}
    </>
  );
  return last.executionId === undefined ? (
    told
  ) : (
    <Link to="/workflow-executions/$id" params={{ id: last.executionId }} className="quiet-link">
      {told}
    </Link>
  );
}
