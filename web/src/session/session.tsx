import { Button, Center, Loader, Stack, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, use, useCallback, useMemo } from 'react';
import { type Answer, ask, tell } from '../api/client.ts';
import { Refused, wordsOf } from '../api/refused.ts';
import { SetUp } from './set-up.tsx';
import { SignIn } from './sign-in.tsx';

export type Me = Answer<'/api/v1/me'>;
export type Permission = 'read' | 'operate' | 'destroy' | 'administer' | 'audit';

interface Session {
  readonly me: Me;
  readonly may: (permission: Permission) => boolean;
  readonly signOut: () => Promise<void>;
  /** Looks again at who this is: the server says that it knows nobody. */
  readonly lookAgain: () => Promise<void>;
}

const SessionContext = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = use(SessionContext);
  if (!session) throw new Error('useSession outside of a session');
  return session;
}

const DOOR = ['who is there'] as const;

type Door =
  | { readonly is: 'open'; readonly me: Me }
  | { readonly is: 'set-up' }
  | { readonly is: 'sign-in'; readonly ways: Answer<'/api/v1/sign-in'> }
  | { readonly is: 'stuck'; readonly why: string };

async function lookAtDoor(): Promise<Door> {
  try {
    if (location.pathname === '/setup') {
      if ((await ask('/api/v1/setup')).pending) return { is: 'set-up' };
      history.replaceState(undefined, '', '/');
    }
    return { is: 'open', me: await ask('/api/v1/me') };
  } catch (thrown) {
    if (!(thrown instanceof Refused) || thrown.status !== 401) return { is: 'stuck', why: wordsOf(thrown) };
    return await ask('/api/v1/sign-in').then(
      (ways): Door => ({ is: 'sign-in', ways }),
      (refused: unknown): Door => ({ is: 'stuck', why: wordsOf(refused) }),
    );
  }
}

/** Shows its children to whoever is signed in, and the way in to everybody else. */
export function SessionGate({ children }: { readonly children: ReactNode }) {
  const queries = useQueryClient();
  const { data: door, refetch } = useQuery({
    queryKey: DOOR,
    queryFn: lookAtDoor,
    staleTime: Infinity,
    refetchInterval: false,
  });
  const lookAgain = useCallback(async () => {
    // What one person was shown is not for the next.
    queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== DOOR[0] });
    await refetch();
  }, [queries, refetch]);

  const me = door?.is === 'open' ? door.me : undefined;
  const session = useMemo(
    (): Session | undefined =>
      me && {
        me,
        may: (permission) => me.permissions.includes(permission),
        lookAgain,
        signOut: async () => {
          const answer = await tell('/api/v1/logout');
          if (answer?.redirect) location.assign(answer.redirect);
          else await lookAgain();
        },
      },
    [me, lookAgain],
  );

  if (session) return <SessionContext value={session}>{children}</SessionContext>;
  if (door?.is === 'set-up') return <SetUp enter={lookAgain} />;
  if (door?.is === 'sign-in') return <SignIn ways={door.ways} enter={lookAgain} />;
  return (
    <Center component="main" mih="100dvh" p="md">
      {door?.is === 'stuck' ? (
        <Stack align="center">
          <Text>Steward does not answer: {door.why}</Text>
          <Button onClick={() => void lookAgain()}>Try again</Button>
        </Stack>
      ) : (
        <Loader aria-label="Looking who you are" />
      )}
    </Center>
  );
}
