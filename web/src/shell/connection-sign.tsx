import { useNow } from '../parts/clock.ts';
import { lengthOf } from '../parts/length.ts';
import type { Connection } from '../live/stream.ts';
import { State } from '../parts/state.tsx';

/** Whether what is shown is of now. */
export function ConnectionSign({ connection }: { readonly connection: Connection }) {
  const now = useNow();
  return (
    <span role="status">
      {connection.state === 'connecting' && <State word="connecting" />}
      {connection.state === 'live' && (
        <State
          word={
            connection.note === undefined
              ? 'live'
              : connection.note === 'again'
                ? 'live again'
                : 'live again, nothing missed'
          }
          tone="good"
        />
      )}
      {connection.state === 'lost' && (
        <State
          word={
            now - connection.since < 5_000
              ? 'connection lost, reconnecting…'
              : `no connection for ${lengthOf(now - connection.since)}, what is shown may be old`
          }
          tone="bad"
        />
      )}
    </span>
  );
}
