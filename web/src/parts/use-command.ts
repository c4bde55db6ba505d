import { notifications } from '@mantine/notifications';
import { useMutation, type UseMutationResult, useQueryClient } from '@tanstack/react-query';
import { tell, type Telling, type TellPath, type Told200 } from '../api/client.ts';
import { wordsOf } from '../api/refused.ts';

const CLOSABLE = { closeButtonProps: { 'aria-label': 'Close' } };

/** A command that says when it was refused, and after which everything shown is asked for anew. */
export function useCommand<P extends TellPath>(
  path: P,
  {
    done,
    quiet = false,
  }: { readonly done?: string; /** Whoever sends it shows the refusal. */ readonly quiet?: boolean } = {},
): UseMutationResult<Told200<P>, Error, Telling<P>> {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (telling: Telling<P>) => await tell(path, telling),
    onSuccess: () => {
      if (done !== undefined) notifications.show({ message: done, color: 'steward', ...CLOSABLE });
      return queries.invalidateQueries();
    },
    onError: (refused) => {
      if (!quiet) notifications.show({ message: wordsOf(refused), color: 'red', autoClose: 12_000, ...CLOSABLE });
    },
  });
}
