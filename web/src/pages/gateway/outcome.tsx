import { Text } from '@mantine/core';
import { Ago } from '../../parts/ago.tsx';
import { State } from '../../parts/state.tsx';
import { reasonsOf, type Request, textOf } from './request.ts';

/** What was asked for, what decided, and what came of it. */
export function Outcome({ request }: { readonly request: Request }) {
  const { at, address, method, path, rule, status } = request;
  const route = textOf(request, 'route');
  return (
    <>
      <strong>
        {method ?? 'unreadable'} {path}
      </strong>{' '}
      <State word={rule} tone={toneOf(request)} />
      <Text size="sm">{reasonsOf(request).join(' ')}</Text>
      <Text size="sm" c="dimmed">
        {status === undefined ? 'no answer' : `HTTP ${status}`} to {textOf(request, 'user') ?? address},{' '}
        {route !== undefined && `route ${route}, `}
        <Ago at={at} />
      </Text>
    </>
  );
}

function toneOf({ status, rule }: Request) {
  if (status === undefined || status >= 500) return 'bad';
  return rule === 'forward' || rule === 'preflight' ? 'good' : 'warn';
}
