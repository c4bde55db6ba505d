import { connect, createServer } from 'node:net';

export interface SelfCheck {
  /** Why nothing that failed just now may be held against anybody; undefined while the prober itself is sound. */
  blame(): Promise<string | undefined>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const BEAT_MS = 500;
/** A probe that ran while the process stood still for this long says nothing. */
const PAUSE_MS = 2_000;
const REMEMBER_MS = 10_000;
const ANSWER_WITHIN_MS = 1_000;
const VALID_FOR_MS = 1_000;

/**
 * Blames the monitor first: a process that was suspended, a machine without free sockets or a broken loopback makes
 * everything look down. It keeps a server of its own on loopback and talks to it when something else does not answer.
 */
export function createSelfCheck(monotonic: () => number = () => performance.now()): SelfCheck {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    // Whoever came to look may keep its end open for ever, and the server would not close.
    socket.end('.', () => socket.destroy());
  });
  let beat: NodeJS.Timeout | undefined;
  let lastBeat = monotonic();
  let pause: { at: number; ms: number } | undefined;
  let latest: { at: number; answer: Promise<string | undefined> } | undefined;

  function listenToBeat(): void {
    const now = monotonic();
    const late = now - lastBeat - BEAT_MS;
    if (late > PAUSE_MS) pause = { at: now, ms: late };
    lastBeat = now;
  }

  async function examine(): Promise<string | undefined> {
    // The beat itself may be what waits to run.
    listenToBeat();
    if (pause && monotonic() - pause.at < REMEMBER_MS)
      return `Steward itself stood still for ${Math.round(pause.ms / 100) / 10} s`;
    const address = server.address();
    if (address === null || typeof address === 'string') return undefined;
    return await talkTo(address.port);
  }

  return {
    async blame() {
      const now = monotonic();
      if (!latest || now - latest.at > VALID_FOR_MS) latest = { at: now, answer: examine() };
      return await latest.answer;
    },
    async start() {
      lastBeat = monotonic();
      beat = setInterval(listenToBeat, BEAT_MS);
      beat.unref();
      server.unref();
      await new Promise<void>((resolve) => {
        // A machine that cannot even listen on loopback fails every probe of its own accord.
        server.once('error', () => resolve());
        server.listen(0, '127.0.0.1', resolve);
      });
    },
    async stop() {
      clearInterval(beat);
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

function talkTo(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const finish = (reason?: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reason);
    };
    const timer = setTimeout(finish, ANSWER_WITHIN_MS, "Steward's own loopback server does not answer it");
    socket.on('data', () => finish());
    socket.on('error', (thrown) => finish(`Steward cannot reach its own loopback server: ${thrown.message}`));
  });
}
