import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { connect, DEFAULT_HOST } from '../docker/connect.ts';
import { SCRATCH_LABEL } from './label.ts';

export interface ScratchEvent {
  readonly container: string;
  readonly action: string;
  readonly at: Date;
}

const FOLLOWED = ['start', 'die', 'kill', 'stop', 'restart', 'pause', 'unpause', 'oom'];

/** What the engine says of the containers of one game day, from now on. */
export async function followScratch(
  { host = DEFAULT_HOST, id }: { readonly host?: string | undefined; readonly id: string },
  tell: (event: ScratchEvent) => void,
): Promise<{ stop(): void }> {
  const stopping = new AbortController();
  const stream = (await connect(host).getEvents({
    filters: { type: ['container'], label: [`${SCRATCH_LABEL}=${id}`], event: FOLLOWED },
    abortSignal: stopping.signal,
  })) as Readable;
  stream.on('error', () => undefined);
  const lines = createInterface({ input: stream });
  lines.on('line', (line) => {
    try {
      const { Action, Actor, timeNano } = JSON.parse(line) as {
        Action: string;
        Actor: { Attributes: { name: string } };
        timeNano: number;
      };
      tell({ container: Actor.Attributes.name, action: Action, at: new Date(timeNano / 1e6) });
    } catch {
      // Half of a line, when the engine ends.
    }
  });
  return {
    stop() {
      stopping.abort();
      stream.destroy();
      lines.close();
    },
  };
}
