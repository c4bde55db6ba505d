import { SegmentedControl, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { useNow } from '../../parts/clock.ts';
import { tookOf } from '../../parts/length.ts';
import { HERE } from '../../parts/zone.ts';
import { type Block, daysOf, isRhythm, layOut, today } from './week-layout.ts';
import classes from './week.module.css';

type Days = Answer<'/api/v1/schedule-week'>;

const LOADS = { io: 'works the disk', cpu: 'works the processor', light: 'light' } as const;
const HOURS = [3, 6, 9, 12, 15, 18, 21];
const percent = (hours: number): string => `${(hours / 24) * 100}%`;
const nameOf = (id: string): string => id.replace(/:\d+$/, '');
const clock = (at: Date): string => at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const dayName = (day: Date): string => day.toLocaleDateString([], { weekday: 'short', day: 'numeric', month: 'short' });

/** Seven days by hours: what runs when, and where heavy ones meet. */
export function Week() {
  const [shown, setShown] = useState('heavy');
  const now = useNow();
  const days = daysOf(today(now));
  const [first = new Date(now)] = days;
  const week = useAnswer('/api/v1/schedule-week', { query: { from: first.toISOString(), days: 7 } });
  return (
    <Section
      title="The next seven days"
      actions={
        <SegmentedControl
          size="xs"
          aria-label="Which are shown"
          value={shown}
          onChange={setShown}
          data={[
            { value: 'heavy', label: 'Heavy ones' },
            { value: 'all', label: 'All' },
          ]}
        />
      }
    >
      <Answered answer={week} lines={10}>
        {(known) => {
          const meant: Days =
            shown === 'all' ? known : { ...known, items: known.items.filter(({ load }) => load !== 'light') };
          return (
            <Card>
              <Row>
                <Collisions week={known} />
              </Row>
              <div className={classes.scroll} role="group" aria-label="The week, hour by hour">
                <div className={classes.week}>
                  <span className={classes.corner} />
                  {days.map((day) => (
                    <span key={day.getTime()} className={classes.day}>
                      {dayName(day)}
                    </span>
                  ))}
                  <div className={classes.hours} aria-hidden="true">
                    {HOURS.map((hour) => (
                      <span key={hour} className={classes.hour} style={{ top: percent(hour) }}>
                        {hour}
                      </span>
                    ))}
                  </div>
                  <Columns blocks={layOut(meant, days)} days={days} now={new Date(now)} />
                </div>
              </div>
              <Row>
                <Legend week={meant} />
              </Row>
            </Card>
          );
        }}
      </Answered>
    </Section>
  );
}

interface ColumnsProps {
  readonly blocks: readonly Block[];
  readonly days: readonly Date[];
  readonly now: Date;
}

function Columns({ blocks, days, now }: ColumnsProps) {
  return days.map((day, index) => (
    <div key={day.getTime()} className={classes.column}>
      {index === 0 && (
        <span className={classes.now} style={{ top: percent(now.getHours() + now.getMinutes() / 60) }} title="Now" />
      )}
      {blocks
        .filter((block) => block.day === index)
        .map(({ id, at, from, hours, load, collides, lane, lanes }) => (
          <Link
            key={`${id} ${at.getTime()}`}
            to="/workflows/$name"
            params={{ name: nameOf(id) }}
            className={classes.block ?? ''}
            data-load={load}
            data-collides={collides || undefined}
            title={`${dayName(day)} ${clock(at)} ${nameOf(id)}, ${LOADS[load]}${collides ? ', meets another heavy one' : ''}`}
            style={{
              top: percent(from),
              height: percent(hours),
              left: `${(lane / lanes) * 100}%`,
              width: `${100 / lanes}%`,
            }}
          >
            {collides && '! '}
            {clock(at)} {nameOf(id)}
          </Link>
        ))}
    </div>
  ));
}

const MOST_SAID = 6;

function Collisions({ week: { collisions, items, more } }: { readonly week: Days }) {
  const pairs = new Map<string, { first: string; times: number; longestMs: number; words: string }>();
  for (const { one, other, load, from, to } of collisions) {
    const key = `${one} ${other}`;
    const lengthMs = Date.parse(to) - Date.parse(from);
    const known = pairs.get(key);
    pairs.set(key, {
      first: known?.first ?? from,
      times: (known?.times ?? 0) + 1,
      longestMs: Math.max(known?.longestMs ?? 0, lengthMs),
      words: `${nameOf(one)} and ${nameOf(other)} ${load === 'io' ? 'work the disk' : 'work the processor'} at once`,
    });
  }
  const assumed = items.filter(({ load, measured }) => load !== 'light' && !measured).length;
  return (
    <div>
      <Text fw={550}>
        {pairs.size === 0
          ? 'No two heavy ones meet.'
          : `${pairs.size === 1 ? 'One pair' : `${pairs.size} pairs`} of heavy ones meet; the later one waits for its turn.`}
      </Text>
      {pairs.size > 0 && (
        <ul>
          {[...pairs].slice(0, MOST_SAID).map(([key, { first, times, longestMs, words }]) => (
            <li key={key}>
              {words}: {times === 1 ? 'once' : `${times} times`}, first {dayName(new Date(first))}{' '}
              {clock(new Date(first))}, for {tookOf(longestMs)} at most
            </li>
          ))}
        </ul>
      )}
      {(pairs.size > MOST_SAID || more) && <Text size="sm">And more.</Text>}
      {assumed > 0 && (
        <Text size="sm" c="dimmed">
          For {assumed} that have not run yet five minutes are assumed.
        </Text>
      )}
    </div>
  );
}

function Legend({ week: { items } }: { readonly week: Days }) {
  const often = items.filter(isRhythm);
  return (
    <div>
      <div className={classes.legend}>
        {(['io', 'cpu', 'light'] as const).map((load) => (
          <span key={load}>
            <span className={`${classes.block} ${classes.key}`} data-load={load}>
              00:00
            </span>
            {LOADS[load]}
          </span>
        ))}
        <span>
          <span className={`${classes.block} ${classes.key}`} data-collides>
            ! 00:00
          </span>
          meets another
        </span>
      </div>
      {often.length > 0 && (
        <Text size="sm" c="dimmed" mt="xs">
          Too often to draw: {often.map(({ id, when, times }) => `${nameOf(id)} (${when}, ${times} times)`).join(', ')}.
        </Text>
      )}
      <Text size="sm" c="dimmed">
        Times are those of {HERE}, where this browser is.
      </Text>
    </div>
  );
}
