import type { Answer } from '../api/client.ts';
import { watchSilence } from './silence.ts';

export type LogLine = Answer<'/api/v1/logs-tail'>['items'][number];

export interface Listening {
  /** Lines in the order in which they came, a handful at a time. */
  readonly lines: (lines: readonly LogLine[]) => void;
  /** So many came faster than they were read, and are not kept. */
  readonly dropped: (count: number) => void;
  readonly state: (state: 'connecting' | 'live' | 'lost') => void;
}

/** A page is drawn no more often than this, however fast lines come. */
const EVERY_MS = 200;
const RETRY_MS = 5_000;

const keyOf = ({ component, text }: LogLine): string => `${component} ${text}`;

/** Listens to what a log says, from that instant on, until it is told to stop. */
export function hearLines(topic: string, since: string, { lines, dropped, state }: Listening): () => void {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let waiting: LogLine[] = [];
  let latest = since;
  /** What was heard of the latest instant: it is told again to whoever connects again from there. */
  let heard = new Set<string>();
  let again = new Set<string>();

  const flush = setInterval(() => {
    if (waiting.length === 0) return;
    lines(waiting);
    waiting = [];
  }, EVERY_MS);

  function take(line: LogLine): void {
    if (line.at === latest && again.delete(keyOf(line))) return;
    if (line.at > latest) {
      latest = line.at;
      heard = new Set();
    }
    if (line.at === latest) heard.add(keyOf(line));
    waiting.push(line);
  }

  const silence = watchSilence(lost);

  function lost(): void {
    // Left to itself the browser would ask again for everything from the first instant on.
    source?.close();
    silence.stop();
    state('lost');
    clearTimeout(retry);
    retry = setTimeout(connect, RETRY_MS);
  }

  function connect(): void {
    again = new Set(heard);
    source = new EventSource(`/api/v1/live?${new URLSearchParams({ events: 'false', topic, since: latest })}`);
    silence.heard();
    const on = (type: string, tell: (data: string) => void): void =>
      source?.addEventListener(type, ({ data }: MessageEvent<string>) => {
        silence.heard();
        tell(data);
      });
    on('alive', () => undefined);
    on('subscribed', () => state('live'));
    on('line', (data) => take(JSON.parse(data) as LogLine));
    on('dropped', (data) => dropped((JSON.parse(data) as { lines: number }).lines));
    source.addEventListener('error', lost);
  }

  state('connecting');
  connect();
  return () => {
    source?.close();
    silence.stop();
    clearInterval(flush);
    clearTimeout(retry);
  };
}
