import { Alert, Button, Skeleton, Stack } from '@mantine/core';
import type { ReactNode } from 'react';
import { Refused, wordsOf } from '../api/refused.ts';

interface AnsweredProps<T> {
  readonly answer: {
    readonly data: T | undefined;
    readonly error: Error | null;
    readonly refetch: () => unknown;
  };
  readonly children: (data: T) => ReactNode;
  /** Lines of the placeholder while nothing is known. */
  readonly lines?: number;
}

/** What an answer shows once it is there; until then its place, and why not where it is refused. */
export function Answered<T>({ answer: { data, error, refetch }, children, lines = 4 }: AnsweredProps<T>) {
  if (data !== undefined) return children(data);
  if (error)
    return (
      <Alert color="red" mt="md" title={error instanceof Refused && error.status === 403 ? 'Not for you' : 'No answer'}>
        <Stack align="flex-start" gap="xs">
          {wordsOf(error)}
          <Button size="xs" variant="default" onClick={() => refetch()}>
            Try again
          </Button>
        </Stack>
      </Alert>
    );
  return (
    <Stack gap="xs" mt="md" aria-busy="true" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        <Skeleton key={index} height={36} />
      ))}
    </Stack>
  );
}
