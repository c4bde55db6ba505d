import { Switch } from '@mantine/core';
import { useState } from 'react';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Page } from '../../parts/page.tsx';
import { AddSilence } from './add-silence.tsx';
import { Silences } from './silences.tsx';
import { WhoIsTold } from './who-is-told.tsx';

type Silence = Answer<'/api/v1/silences'>['items'][number];

/** What is nobody told of, and who is told of the rest? */
export function Alerts() {
  const [ended, setEnded] = useState(false);
  const silences = useAnswer('/api/v1/silences', { query: { ...(ended && { ended: true }) } });
  return (
    <Page title="Alerts" about={silences.data && sentence(silences.data.items)} actions={<AddSilence />}>
      <Answered answer={silences}>
        {({ items }) => {
          const of = (state: Silence['state']): Silence[] => items.filter((silence) => silence.state === state);
          return (
            <>
              <Silences title="Silenced now" none="Nothing is silenced." silences={of('active')} />
              <Silences title="To come" silences={of('planned')} />
              {ended && <Silences title="Over" none="No silence ended lately." silences={of('ended')} />}
            </>
          );
        }}
      </Answered>
      <Switch
        mt="sm"
        label="Show silences that are over"
        checked={ended}
        onChange={(event) => setEnded(event.currentTarget.checked)}
      />
      <WhoIsTold />
    </Page>
  );
}

function sentence(items: readonly Silence[]): string {
  const now = items.filter(({ state }) => state === 'active');
  return now.length === 0
    ? 'Nothing is kept quiet.'
    : `Nobody is told of ${now.map(({ quiet }) => quiet).join('; nor of ')}. It is looked at and healed as ever.`;
}
