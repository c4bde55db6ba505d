import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { type ContainerEvent, FOLLOWED } from './purpose.ts';

interface RawEvent {
  readonly Action?: string;
  readonly timeNano?: number;
  readonly time?: number;
  readonly Actor?: { readonly ID?: string; readonly Attributes?: Readonly<Record<string, string>> };
}

export interface Watch {
  stop(): Promise<void>;
}

/**
 * Follows the engine's events until stopped. After a break it connects again and asks for what it missed, as far as the
 * engine still has it.
 */
export function followEvents(docker: Docker, tell: (event: ContainerEvent) => void): Watch {
  const stopping = new AbortController();
  let since = Math.floor(Date.now() / 1000);
  const follow = async () => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      try {
        const stream = (await docker.getEvents({
          since,
          filters: { type: ['container'], event: [...FOLLOWED] },
          abortSignal: stopping.signal,
        })) as Readable;
        failures = 0;
        await readLines(stream, stopping.signal, (line) => {
          const event = parseEvent(line);
          if (!event) return;
          since = Math.floor(event.at / 1000);
          tell(event);
        });
      } catch {
        // The engine is away; calls report that, this only tries again.
      }
      failures++;
      // Backoff (ms): 500, 1000, 2000, ... 30 000
      await sleep(Math.min(30_000, 250 * 2 ** failures), undefined, { signal: stopping.signal, ref: false }).catch(
        () => {},
      );
    }
  };
  const done = follow();
  return {
    async stop() {
      stopping.abort();
      await done;
    },
  };
}

/** Events that the engine still remembers of one container, oldest first. It keeps the last 256 of all. */
export async function rememberedEvents(
  docker: Docker,
  container: string,
  span: { since: number; until: number },
  signal: AbortSignal,
): Promise<ContainerEvent[]> {
  const stream = (await docker.getEvents({
    ...span,
    filters: { type: ['container'], container: [container], event: [...FOLLOWED] },
    abortSignal: signal,
  })) as Readable;
  const events: ContainerEvent[] = [];
  await readLines(stream, signal, (line) => {
    const event = parseEvent(line);
    if (event) events.push(event);
  });
  return events;
}

function readLines(stream: Readable, signal: AbortSignal, line: (text: string) => void): Promise<void> {
  return new Promise((resolve) => {
    let rest = '';
    const stop = () => stream.destroy();
    const end = () => {
      signal.removeEventListener('abort', stop);
      resolve();
    };
    signal.addEventListener('abort', stop, { once: true });
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const one of lines) line(one);
    });
    stream.on('error', end);
    stream.on('close', end);
    stream.on('end', end);
    if (signal.aborted) stop();
  });
}

function parseEvent(line: string): ContainerEvent | undefined {
  try {
    const raw = JSON.parse(line) as RawEvent;
    if (!raw.Action || !raw.Actor?.ID) return undefined;
    const at = raw.timeNano === undefined ? (raw.time ?? 0) * 1000 : raw.timeNano / 1e6;
    return { container: raw.Actor.ID, action: raw.Action, at, signal: raw.Actor.Attributes?.['signal'] };
  } catch {
    return undefined;
  }
}
