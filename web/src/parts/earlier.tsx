import { Button } from '@mantine/core';

interface EarlierProps {
  readonly pages: {
    readonly hasNextPage: boolean;
    readonly isFetchingNextPage: boolean;
    readonly fetchNextPage: () => unknown;
  };
}

/** Asks for the next page of a list, where there is one. */
export function Earlier({ pages: { hasNextPage, isFetchingNextPage, fetchNextPage } }: EarlierProps) {
  if (!hasNextPage) return undefined;
  return (
    <Button variant="default" mt="md" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
      Earlier ones
    </Button>
  );
}
