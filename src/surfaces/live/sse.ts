import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { StewardError } from '../../core/errors.ts';
import type { ServerMessage } from './protocol.ts';
import type { Outlet } from './session.ts';

/** Events as the browser knows them, without a name; everything else as an event that is called as its type is. */
export function sseOutlet(out: ServerResponse, signal: AbortSignal, stallMs: number): Outlet {
  async function write(text: string): Promise<void> {
    if (signal.aborted || out.destroyed || out.write(text)) return;
    const late = AbortSignal.timeout(stallMs);
    await once(out, 'drain', { signal: AbortSignal.any([signal, late]) }).catch(() => {
      if (late.aborted && !signal.aborted) throw new StewardError('TIMEOUT', 'The stream was not read for too long.');
    });
  }

  return {
    events: (entries) => write(entries.map(({ sse }) => sse).join('')),
    tell: (message) => write(frame(message)),
    end(why, resume) {
      if (why === 'too-slow') out.destroy();
      else out.end(`event: end\ndata: ${JSON.stringify({ why, resume })}\n\n`);
    },
  };
}

function frame(message: ServerMessage): string {
  const { type, ...data } = message;
  // The browser remembers the id, and sends it when it connects again.
  const place = message.type === 'at' ? message.id : message.type === 'subscribed' ? message.after : undefined;
  if (message.type === 'at') return `id: ${message.id}\n\n`;
  const id = place === undefined ? '' : `id: ${place}\n`;
  return `${id}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}
