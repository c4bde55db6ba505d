import { keepPreviousData, QueryClient, queryOptions, useQuery, type UseQueryResult } from '@tanstack/react-query';
import { type Answer, ask, type Asking, type AskPath } from './client.ts';
import { Refused } from './refused.ts';

const STALE_MS = 30_000;
const OFTEN_MS = 3_000;

export function createQueries(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: STALE_MS,
        // What a person looks at while the stream is broken gets no older than this.
        refetchInterval: STALE_MS,
        refetchIntervalInBackground: false,
        retry: (failures, error) => failures < 2 && (!(error instanceof Refused) || error.status >= 500),
        placeholderData: keepPreviousData,
        // Steward may be on this very machine: what the browser says of its network does not decide.
        networkMode: 'always',
      },
      mutations: { networkMode: 'always' },
    },
  });
}

export function question<P extends AskPath>(path: P, asking: Asking<P> = {}) {
  return queryOptions({
    queryKey: [path, asking] as const,
    queryFn: async ({ signal }): Promise<Answer<P>> => await ask(path, asking, signal),
  });
}

export interface AnswerOptions {
  /** Asked only where this holds. */
  readonly when?: boolean;
  /** Asked once, and not again by itself: to ask is work for the server, or is written down by it. */
  readonly still?: boolean;
  /** Asked every few seconds: no event tells when it changes. */
  readonly often?: boolean;
}

/** How the cache is told so. */
export const stillness = (still: boolean) => (still ? { staleTime: Infinity, refetchInterval: false as const } : {});

/** The answer to a question, kept true by the stream of events. */
export function useAnswer<P extends AskPath>(
  path: P,
  asking: Asking<P> = {},
  { when = true, still = false, often = false }: AnswerOptions = {},
): UseQueryResult<Answer<P>> {
  return useQuery({
    ...question(path, asking),
    enabled: when,
    ...stillness(still),
    ...(often && { refetchInterval: OFTEN_MS }),
  });
}
