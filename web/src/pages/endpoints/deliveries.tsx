import { Text } from '@mantine/core';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago, Until } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { State } from '../../parts/state.tsx';
import type { Tone } from '../../parts/tone.ts';

const TONES = {
  pending: 'calm',
  delivered: 'good',
  failed: 'bad',
  missed: 'warn',
  dropped: 'bad',
} as const satisfies Record<string, Tone>;

/** The latest, with what each was answered. */
export function Deliveries({ endpoint }: { readonly endpoint: string }) {
  const deliveries = useAnswer('/api/v1/webhook-deliveries', { query: { endpoint, limit: 20 } }, { often: true });
  return (
    <Answered answer={deliveries} lines={2}>
      {({ items }) =>
        items.length === 0 ? (
          <Text size="sm">Nothing was sent yet.</Text>
        ) : (
          <ul>
            {items.map(({ id, type, state, attempts, createdAt, nextAt, status, said }) => (
              <li key={id}>
                <State word={state} tone={TONES[state]} /> {type} <Ago at={createdAt} />
                {attempts > 1 && `, ${attempts} attempts`}
                {status !== undefined && `, HTTP ${status}`}
                {state === 'pending' && nextAt !== undefined && (
                  <>
                    {', next '}
                    <Until at={nextAt} />
                  </>
                )}
                {state !== 'delivered' && said !== undefined && said !== '' && `: ${said}`}
              </li>
            ))}
          </ul>
        )
      }
    </Answered>
  );
}
