import { watchSilence } from './silence.ts';

/** How the page hears of what happens: `live`, or not at the moment. */
export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live'; readonly note?: 'nothing missed' | 'again' }
  | { readonly state: 'lost'; readonly since: number };

export interface Hearing {
  /** One event, by its type. */
  readonly event: (type: string) => void;
  /** What was shown may be old in any part: the stream began, or had a gap. */
  readonly all: () => void;
  readonly connection: (connection: Connection) => void;
  /** The session is over. */
  readonly ended: () => void;
}

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
/** How long it is said that the connection is back. */
const NOTE_MS = 8_000;

/** Listens until it is told to stop. The browser resumes behind the last event; where it gives up, this tries again. */
export function hear(url: string, hearing: Hearing): () => void {
  let source: EventSource | undefined;
  let waitMs = FIRST_WAIT_MS;
  let lostSince: number | undefined;
  let gap = false;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let note: ReturnType<typeof setTimeout> | undefined;
  const silence = watchSilence(() => {
    lost();
    connect();
  });

  function subscribed(): void {
    waitMs = FIRST_WAIT_MS;
    clearTimeout(note);
    if (lostSince === undefined) hearing.connection({ state: 'live' });
    else {
      hearing.connection({ state: 'live', note: gap ? 'again' : 'nothing missed' });
      note = setTimeout(() => hearing.connection({ state: 'live' }), NOTE_MS);
    }
    lostSince = undefined;
    gap = false;
    hearing.all();
  }

  function lost(): void {
    lostSince ??= Date.now();
    clearTimeout(note);
    hearing.connection({ state: 'lost', since: lostSince });
    // The browser connects again by itself unless it was refused.
    if (source?.readyState !== EventSource.CLOSED) return;
    clearTimeout(retry);
    retry = setTimeout(connect, waitMs);
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
  }

  function connect(): void {
    source?.close();
    source = new EventSource(url);
    silence.heard();
    const on = (type: string, take: (data: string) => void): void =>
      source?.addEventListener(type, ({ data }: MessageEvent<string>) => {
        silence.heard();
        take(data);
      });
    on('alive', () => undefined);
    on('subscribed', subscribed);
    on('gap', () => (gap = true));
    on('message', (data) => hearing.event(typeOf(data)));
    on('end', (data) => data.includes('"unauthenticated"') && hearing.ended());
    source.addEventListener('error', lost);
  }

  // A network that goes ends no connection either. Steward may be on this very machine, so that it is tried, not believed.
  addEventListener('offline', connect);
  addEventListener('online', connect);
  connect();
  return () => {
    removeEventListener('offline', connect);
    removeEventListener('online', connect);
    source?.close();
    silence.stop();
    for (const timer of [retry, note]) clearTimeout(timer);
  };
}

function typeOf(data: string): string {
  return (JSON.parse(data) as { type?: string }).type ?? '';
}
