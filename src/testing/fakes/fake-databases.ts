import type { DatabaseLogin, DatabaseSession, DatabasesPort } from '../../core/ports/databases.ts';

export interface FakeDatabases extends DatabasesPort {
  /** A session from now on; what is not given is made up. */
  join(part?: Partial<DatabaseSession>): DatabaseSession;
  leave(identity: string): void;
  limit(connections: number): void;
  /** Sessions that do not go when they are told to. */
  stubborn(identity: string): void;
  readonly ended: readonly string[];
  readonly logins: readonly DatabaseLogin[];
}

/** One database in memory, whoever logs in. Whoever waited for a session that ended goes on. */
export function fakeDatabases(): FakeDatabases {
  const held = new Map<string, DatabaseSession>();
  const ended: string[] = [];
  const logins: DatabaseLogin[] = [];
  const deaf = new Set<string>();
  let max = 100;
  let lastId = 100;

  function leave(identity: string): void {
    const gone = held.get(identity);
    held.delete(identity);
    for (const [key, session] of held)
      held.set(key, { ...session, waitsFor: session.waitsFor.filter((id) => id !== gone?.id) });
  }

  return {
    ended,
    logins,
    join(part = {}) {
      const id = part.id ?? String(++lastId);
      const session: DatabaseSession = {
        id,
        identity: `${id}@start`,
        user: 'app',
        application: 'shop',
        state: 'idle',
        stateSeconds: 0,
        transactionSeconds: undefined,
        waitsFor: [],
        sacred: false,
        statement: 'select 1',
        ...part,
      };
      held.set(session.identity, session);
      return session;
    },
    leave,
    limit: (connections) => void (max = connections),
    stubborn: (identity) => void deaf.add(identity),
    async sessions(login) {
      logins.push(login);
      return [...held.values()];
    },
    async connections() {
      return { limit: max, used: held.size };
    },
    async end(_login, identity) {
      if (!held.has(identity)) return false;
      ended.push(identity);
      if (!deaf.has(identity)) leave(identity);
      return true;
    },
  };
}
