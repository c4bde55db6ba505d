import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { concernsOf } from './concerns.ts';
import { type Connection, hear } from './stream.ts';

/** However many events come: what is shown is asked for anew no more often than this. */
const AT_MOST_EVERY_MS = 1_000;

/** Keeps every answer on the page true while the stream tells what happens. */
export function useLive(ended: () => void): Connection {
  const queries = useQueryClient();
  const [connection, setConnection] = useState<Connection>({ state: 'connecting' });

  useEffect(() => {
    const concerned = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let askedAt = 0;

    function askAnew(): void {
      timer = undefined;
      askedAt = Date.now();
      const paths = new Set(concerned);
      concerned.clear();
      void queries.invalidateQueries({ predicate: ({ queryKey }) => paths.has(String(queryKey[0])) });
    }

    const stop = hear('/api/v1/events/stream', {
      event(type) {
        for (const path of concernsOf(type)) concerned.add(path);
        timer ??= setTimeout(askAnew, Math.max(0, askedAt + AT_MOST_EVERY_MS - Date.now()));
      },
      all: () => void queries.invalidateQueries(),
      connection: setConnection,
      ended,
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [queries, ended]);

  return connection;
}
