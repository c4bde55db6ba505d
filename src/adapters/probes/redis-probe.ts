import type { CheckTarget, ProbeResult } from '../../core/check.ts';
import { converse } from './dialog.ts';
import type { Lookup } from './names.ts';
import { type ProbeOptions, answered, peerText, saw } from './result.ts';

type RedisTarget = Extract<CheckTarget, { kind: 'redis' }>;

/** States that Redis reports by itself and leaves again by itself. */
const BUSY = /^-(LOADING|BUSY|MASTERDOWN|TRYAGAIN|CLUSTERDOWN|ERR max number of clients)/;
const REFUSED_LOGIN = /^-(WRONGPASS|ERR (invalid|Client sent AUTH|AUTH <password> called))/i;
const NOT_LET_IN = /^-(NOAUTH|DENIED|NOPERM)/;

/** PING, logged in where a password is given. Without one, a server that asks for it has shown that it serves. */
export function probeRedis(
  target: RedisTarget,
  password: string | undefined,
  options: ProbeOptions,
  lookup: Lookup,
): Promise<ProbeResult> {
  const login = password === undefined ? [] : ['AUTH', ...(target.user === undefined ? [] : [target.user]), password];
  const opening = (login.length > 0 ? command(login) : '') + command(['PING']);
  return converse(
    target,
    {
      opening,
      awaited: 'answer to PING',
      answer(received, _socket, startedAt) {
        const lines = received.toString('latin1').split('\r\n').slice(0, -1);
        if (lines.length === 0)
          return received.length > 0 && !/^[+\-:$*]/.test(received.toString('latin1', 0, 1))
            ? notRedis(received, startedAt)
            : undefined;
        const refused = lines.find((line) => line.startsWith('-'));
        if (refused !== undefined) return judgeRefusal(peerText(refused), password !== undefined, startedAt, options);
        if (lines.some((line) => !line.startsWith('+'))) return notRedis(received, startedAt);
        if (lines.at(-1) !== '+PONG')
          return lines.length > 1 || login.length === 0 ? notRedis(received, startedAt) : undefined;
        return answered(
          'query',
          password === undefined ? 'PING answered' : 'PING answered after login',
          startedAt,
          options,
        );
      },
    },
    options,
    lookup,
  );
}

function judgeRefusal(refusal: string, loggedIn: boolean, startedAt: number, options: ProbeOptions): ProbeResult {
  const said = refusal.slice(1);
  if (REFUSED_LOGIN.test(refusal))
    return saw('down', 'handshake', `the login was refused: ${said}`, startedAt, { code: 'LOGIN_REFUSED' });
  if (BUSY.test(refusal)) return saw('degraded', 'query', `it answers, but is not ready: ${said}`, startedAt);
  if (NOT_LET_IN.test(refusal) && !loggedIn)
    return answered('handshake', 'handshake only: it asks for a password', startedAt, options);
  return saw('down', 'handshake', `PING failed: ${said}`, startedAt);
}

function notRedis(received: Buffer, startedAt: number): ProbeResult {
  return saw('down', 'connect', 'it answers, but not as Redis', startedAt, {
    received: peerText(received.toString('latin1'), 80),
  });
}

function command(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}
