import { Alert, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { Answer, Asking } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';

type Quieted = Answer<'/api/v1/silence-preview'>['past'][number];

type Asked = NonNullable<Asking<'/api/v1/silence-preview'>['query']>;

/** Of the others there are figures. */
const NAMED = 5;

const isAnything = (asked: Asked): boolean =>
  asked.everything === true ||
  [asked.services, asked.symptoms, asked.labels, asked.severities].some((named = []) => named.length > 0);

/** Before a silence is made: what it would have kept quiet, the critical by name, and what is open of it. */
export function WouldBeQuiet({ asked }: { readonly asked: Asked }) {
  const preview = useAnswer('/api/v1/silence-preview', { query: asked }, { still: true, when: isAnything(asked) });
  if (!isAnything(asked)) return undefined;
  return (
    <Answered answer={preview} lines={1}>
      {({ replay, past, critical, open }) => (
        <Alert color={critical > 0 ? 'red' : 'gray'} variant="light" role="status" title="What it would do">
          {replay}
          <Named title="Critical ones that nobody would have been told of" all={past.filter(isCritical)} />
          <Named title="Open now" all={open} />
        </Alert>
      )}
    </Answered>
  );
}

const isCritical = ({ severity }: Quieted): boolean => severity === 'critical';

function Named({ title, all }: { readonly title: string; readonly all: readonly Quieted[] }) {
  if (all.length === 0) return undefined;
  return (
    <Text size="sm" mt="xs" component="div">
      {title}:
      <ul>
        {all.slice(0, NAMED).map(({ id, title: what, severity, openedAt }) => (
          <li key={id}>
            <Link to="/incidents/$id" params={{ id }} target="_blank">
              {what}
            </Link>
            , {severity}, <Ago at={openedAt} />
          </li>
        ))}
        {all.length > NAMED && <li>and {all.length - NAMED} more</li>}
      </ul>
    </Text>
  );
}
