import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { tookOf } from '../../parts/length.ts';
import { State } from '../../parts/state.tsx';

/** What a place saw last of each check that it is meant to look at. */
export function Looks({ place }: { readonly place: string }) {
  const looks = useAnswer('/api/v1/place-sightings', { query: { place } }, { often: true });
  return (
    <Answered answer={looks} lines={2}>
      {({ items }) =>
        items.length === 0 ? (
          <Text size="sm">
            No service is to be looked at from here: say <code>places</code> at one in steward.yaml.
          </Text>
        ) : (
          <ul>
            {items.map(({ service, check, kind, state, latencyMs, at, message }) => (
              <li key={check}>
                <State word={state} />{' '}
                <Link to="/services/$id" params={{ id: service }} className="quiet-link">
                  {service}
                </Link>{' '}
                {kind}: {message}
                {latencyMs !== undefined && state !== 'unknown' && ` in ${tookOf(latencyMs)}`}
                {at !== undefined && (
                  <>
                    {', '}
                    <Ago at={at} />
                  </>
                )}
              </li>
            ))}
          </ul>
        )
      }
    </Answered>
  );
}
