import type { WebSocket } from 'ws';
import { StewardError } from '../../core/errors.ts';
import { CLOSES, ClientMessage, type Close, type ServerMessage } from './protocol.ts';
import type { LiveSession, Outlet } from './session.ts';

/** What waits in the process for one client before it is asked whether it keeps up. */
const HIGH_WATER = 256 * 1_024;
const MESSAGES_WITHIN_MS = 10_000;
const MESSAGES = 50;
const CLOSES_WITHIN_MS = 5_000;

export function socketOutlet(socket: WebSocket, signal: AbortSignal, stallMs: number): Outlet {
  async function send(data: string | Buffer): Promise<void> {
    if (signal.aborted || socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount < HIGH_WATER) {
      socket.send(data, { binary: false });
      return;
    }
    const { promise, resolve } = Promise.withResolvers<'written' | 'late' | 'over'>();
    const timer = setTimeout(() => resolve('late'), stallMs);
    const over = (): void => resolve('over');
    signal.addEventListener('abort', over, { once: true });
    socket.send(data, { binary: false }, () => resolve('written'));
    const outcome = await promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', over);
    if (outcome === 'late') throw new StewardError('TIMEOUT', 'The stream was not read for too long.');
  }

  return {
    async events(entries) {
      for (const entry of entries) {
        if (socket.bufferedAmount < HIGH_WATER) void send(entry.socket);
        else await send(entry.socket);
      }
    },
    tell: (message) => send(JSON.stringify(message)),
    end(why, resume) {
      const { code } = CLOSES[why];
      socket.close(code, JSON.stringify({ resume }));
      // Who does not read does not see the end either.
      setTimeout(() => socket.terminate(), CLOSES_WITHIN_MS).unref();
    },
  };
}

/** What the client says, as it is said; too much of it, or what nobody understands, ends the stream. */
export function listenTo(
  socket: WebSocket,
  session: Promise<LiveSession>,
  { tell, end }: { readonly tell: (message: ServerMessage) => void; readonly end: (why: Close) => void },
): void {
  let since = performance.now();
  let count = 0;
  socket.on('message', (data, isBinary) => {
    if (performance.now() - since > MESSAGES_WITHIN_MS) [since, count] = [performance.now(), 0];
    if ((count += 1) > MESSAGES) return end('refused');
    const message = isBinary ? undefined : parsed(String(data));
    if (message === undefined || message instanceof StewardError) {
      const error = message ?? new StewardError('INPUT_INVALID', 'A message is one JSON object as text.');
      return tell({ type: 'error', ...error.toBody() });
    }
    void session
      .then((live) => obey(live, message, tell))
      .catch((thrown: unknown) => tell({ type: 'error', ...StewardError.from(thrown).toBody() }));
  });
}

async function obey(live: LiveSession, message: ClientMessage, tell: (message: ServerMessage) => void): Promise<void> {
  switch (message.type) {
    case 'subscribe': {
      const { events, topics, since, after } = message;
      return await live.subscribe({ events, topics, since: since === undefined ? undefined : new Date(since), after });
    }
    case 'pause':
      return await live.pause(true);
    case 'resume':
      return await live.pause(false);
    case 'credit':
      return await live.credit(message.events);
    case 'ping':
      return tell({ type: 'pong' });
  }
}

function parsed(text: string): ClientMessage | StewardError {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return new StewardError('INPUT_INVALID', 'A message is one JSON object as text.');
  }
  const result = ClientMessage.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message }));
  const [first] = problems;
  return new StewardError('INPUT_INVALID', `${first?.path || 'message'}: ${first?.message}`, {
    problems,
    hint: 'docs/guides/live.md has every message.',
  });
}
