import { Button, Group, NativeSelect, Text, TextInput } from '@mantine/core';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useAnswer } from '../../api/use-answer.ts';
import { wordsOf } from '../../api/refused.ts';
import { hearLines, type LogLine } from '../../live/lines.ts';
import { State } from '../../parts/state.tsx';
import { Lines } from './lines.tsx';

/** More than that nobody reads; the oldest go. */
const KEPT = 5_000;
const BACK_MS = 15 * 60_000;
const LEVELS = ['debug', 'info', 'warning', 'error'] as const;

/** The lines of a log as they come. */
export function LiveLog({ topic }: { readonly topic: string }) {
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  const [state, setState] = useState<'connecting' | 'live' | 'lost'>('connecting');
  const [dropped, setDropped] = useState(0);
  const [paused, setPaused] = useState(false);
  const [behind, setBehind] = useState(0);
  const [words, setWords] = useState('');
  const [level, setLevel] = useState<(typeof LEVELS)[number]>('debug');
  const aside = useRef<LogLine[]>([]);
  const isPaused = useRef(false);
  // Why it is not heard, where that is no matter of the connection: the stream itself cannot say.
  const service = topic.slice(topic.indexOf(':') + 1);
  const refused = useAnswer(
    '/api/v1/logs-tail',
    { query: { service, lines: 1 } },
    { when: state === 'lost' && service !== '*', still: true },
  ).error;

  useEffect(
    () =>
      hearLines(topic, new Date(Date.now() - BACK_MS).toISOString(), {
        state: setState,
        dropped: (count) => setDropped((before) => before + count),
        lines: (more) => {
          if (!isPaused.current) return setLines((before) => [...before, ...more].slice(-KEPT));
          aside.current = [...aside.current, ...more].slice(-KEPT);
          setBehind(aside.current.length);
        },
      }),
    [topic],
  );

  function toggle(): void {
    isPaused.current = !paused;
    setPaused(!paused);
    if (!paused) return;
    const missed = aside.current;
    aside.current = [];
    setBehind(0);
    setLines((before) => [...before, ...missed].slice(-KEPT));
  }

  const shown = useMemo(() => {
    const asked = words.toLowerCase();
    const least = LEVELS.indexOf(level);
    return lines.filter(
      (line) =>
        LEVELS.indexOf(line.level) >= least &&
        (asked === '' || `${line.component} ${line.text}`.toLowerCase().includes(asked)),
    );
  }, [lines, words, level]);

  return (
    <>
      <Group gap="xs" mb="sm">
        <Button size="xs" variant={paused ? 'filled' : 'default'} aria-pressed={paused} onClick={toggle}>
          {paused ? 'Go on' : 'Pause'}
        </Button>
        <TextInput
          size="xs"
          type="search"
          aria-label="Only lines with"
          placeholder="Only lines with"
          value={words}
          onChange={(event) => setWords(event.currentTarget.value)}
        />
        <NativeSelect
          size="xs"
          aria-label="How bad at least"
          data={[
            { value: 'debug', label: 'Every level' },
            ...LEVELS.slice(1).map((each) => ({ value: each, label: `${each} and worse` })),
          ]}
          value={level}
          onChange={({ currentTarget: { value } }) => setLevel(LEVELS.find((each) => each === value) ?? 'debug')}
        />
        <Button size="xs" variant="default" onClick={() => setLines([])}>
          Clear
        </Button>
        <Text size="sm" c="dimmed" role="status">
          <State
            word={paused ? `paused, ${behind} more` : state === 'lost' ? 'not heard, trying again' : state}
            tone={paused || state === 'connecting' ? 'calm' : state === 'live' ? 'good' : 'bad'}
          />{' '}
          {refused && wordsOf(refused)}
          {dropped > 0 && `${dropped} lines came faster than they could be shown. `}
        </Text>
      </Group>
      <Lines
        lines={shown}
        follow={!paused}
        none={
          lines.length === 0
            ? 'Nothing was said in the last quarter of an hour. What comes shows here.'
            : 'No line is like that.'
        }
      />
    </>
  );
}
