import { useInfiniteQuery } from '@tanstack/react-query';
import { type Answer, ask, type Asking, type AskPath } from './client.ts';
import { type AnswerOptions, stillness } from './use-answer.ts';

type ItemOf<P extends AskPath> = Answer<P> extends { readonly items: readonly (infer T)[] } ? T : never;
type Paged<P extends AskPath> = { readonly items: readonly ItemOf<P>[]; readonly next?: string };

/** An answer that comes page by page, as one list that grows as far as somebody asks for earlier ones. */
export function usePages<P extends AskPath>(
  path: P,
  asking: Asking<P>,
  { when = true, still = false }: AnswerOptions = {},
) {
  return useInfiniteQuery({
    queryKey: [path, 'pages', asking],
    queryFn: async ({ pageParam, signal }) => {
      const query = { ...(asking.query as object), ...(pageParam !== undefined && { cursor: pageParam }) };
      return (await ask(path, { ...asking, query } as Asking<P>, signal)) as unknown as Paged<P>;
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next }) => next,
    select: ({ pages }) => pages.flatMap(({ items }) => items),
    enabled: when,
    ...stillness(still),
  });
}
