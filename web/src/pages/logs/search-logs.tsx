import { Button, Group, NativeSelect, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { Asking } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Lines } from './lines.tsx';
import { NotSearched } from './not-searched.tsx';
import { SINCE } from './since.ts';

type Query = NonNullable<Asking<'/api/v1/logs-search'>['query']>;

const LEVELS = ['debug', 'info', 'warning', 'error'] as const;
const AT_MOST = 1_000;

/** Looks through what was written: of one service, or of all. */
export function SearchLogs({ service }: { readonly service: string | undefined }) {
  const [asked, setAsked] = useState<Query>({ since: '1h', limit: AT_MOST });
  const found = useAnswer(
    '/api/v1/logs-search',
    { query: { ...asked, ...(service !== undefined && { services: [service] }) } },
    { still: true },
  );
  return (
    <>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const { text = '', since = '1h', level = '' } = Object.fromEntries(new FormData(event.currentTarget));
          const least = LEVELS.find((each) => each === level);
          setAsked({
            limit: AT_MOST,
            since: String(since),
            ...(text !== '' && { text: String(text) }),
            ...(least && { level: least }),
          });
          // The same again is asked again.
          void found.refetch();
        }}
      >
        <Group gap="xs" align="flex-end" mb="sm">
          <TextInput size="xs" type="search" name="text" label="Text" placeholder="timeout" maxLength={500} />
          <NativeSelect size="xs" name="since" label="Of" defaultValue="1h" data={[...SINCE]} />
          <NativeSelect
            size="xs"
            name="level"
            label="Level"
            data={[
              { value: '', label: 'every' },
              ...LEVELS.slice(1).map((each) => ({ value: each, label: `${each} and worse` })),
            ]}
          />
          <Button size="xs" type="submit" loading={found.isFetching}>
            Look
          </Button>
        </Group>
      </form>
      <Answered answer={found} lines={8}>
        {({ items, found: count, notSearched }) => (
          <>
            <Text size="sm" c="dimmed" mb="xs" role="status">
              {count} lines{count > items.length && `, the last ${items.length} of them are shown`}.
            </Text>
            <Lines lines={items} none="No line is like that." />
            <NotSearched notSearched={notSearched} />
          </>
        )}
      </Answered>
    </>
  );
}
