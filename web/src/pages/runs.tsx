import { Button, Select, Text } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { ask } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Answered } from '../parts/answered.tsx';
import { Card } from '../parts/card.tsx';
import { Page } from '../parts/page.tsx';
import { RunRow } from '../parts/run-row.tsx';

const STATUSES = [
  'waiting-approval',
  'running',
  'succeeded',
  'failed',
  'rolled-back',
  'rollback-failed',
  'canceled',
] as const;

export function Runs() {
  const automations = useAnswer('/api/v1/automations').data?.items ?? [];
  const [automation, setAutomation] = useState<string | null>(null);
  const [status, setStatus] = useState<string | null>(null);
  const query = {
    limit: 50,
    ...(automation !== null && { automation }),
    ...(status !== null && { status: [status as (typeof STATUSES)[number]] }),
  };
  const runs = useInfiniteQuery({
    queryKey: ['/api/v1/runs', 'all', query],
    queryFn: async ({ pageParam, signal }) =>
      await ask('/api/v1/runs', { query: { ...query, ...(pageParam !== undefined && { cursor: pageParam }) } }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next }) => next,
  });
  return (
    <Page
      title="Runs"
      actions={
        <>
          <Select
            size="xs"
            placeholder="Any automation"
            aria-label="Automation"
            searchable
            clearable
            data={automations.map(({ name }) => name)}
            value={automation}
            onChange={setAutomation}
          />
          <Select
            size="xs"
            placeholder="However it went"
            aria-label="Status"
            clearable
            data={[...STATUSES]}
            value={status}
            onChange={setStatus}
          />
        </>
      }
    >
      <Answered answer={runs} lines={8}>
        {() => {
          const items = runs.data?.pages.flatMap((page) => page.items) ?? [];
          if (items.length === 0)
            return (
              <Text c="dimmed" mt="md">
                No run is like that.
              </Text>
            );
          return (
            <>
              <Card>
                {items.map((run) => (
                  <RunRow key={run.id} run={run} />
                ))}
              </Card>
              {runs.hasNextPage && (
                <Button
                  variant="default"
                  mt="md"
                  loading={runs.isFetchingNextPage}
                  onClick={() => void runs.fetchNextPage()}
                >
                  Earlier ones
                </Button>
              )}
            </>
          );
        }}
      </Answered>
    </Page>
  );
}
