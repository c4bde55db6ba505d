import type { Socket } from 'node:net';
import type { z } from 'zod';
import type { StartTls } from '../../core/network-targets.ts';
import { peerText } from './result.ts';

type Protocol = z.output<typeof StartTls>;

interface Step {
  /** Said before this answer is waited for. */
  readonly say?: string | Uint8Array;
  /** Whether the answer is complete; what it must be to go on. */
  readonly complete: RegExp;
  readonly good: RegExp;
}

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
const REPLY = /^\d{3} .*\r?\n/m;

const STEPS: Readonly<Record<Protocol, readonly Step[]>> = {
  smtp: [
    { complete: REPLY, good: /^220/ },
    { say: 'EHLO steward.invalid\r\n', complete: REPLY, good: /^250[ -]STARTTLS\b/im },
    { say: 'STARTTLS\r\n', complete: REPLY, good: /^220/ },
  ],
  imap: [
    { complete: /\r?\n/, good: /^\* (OK|PREAUTH)/i },
    { say: 's1 STARTTLS\r\n', complete: /^s1 .*\r?\n/im, good: /^s1 OK/im },
  ],
  pop3: [
    { complete: /\r?\n/, good: /^\+OK/ },
    { say: 'STLS\r\n', complete: /\r?\n/, good: /^\+OK/ },
  ],
  postgres: [{ say: SSL_REQUEST, complete: /^./s, good: /^S/ }],
};

const LIMIT = 16 * 1024;

/** Talks a connected socket to where TLS begins. Rejects with what the peer said instead. */
export async function startTls(socket: Socket, protocol: Protocol): Promise<void> {
  for (const { say, complete, good } of STEPS[protocol]) {
    if (say !== undefined) socket.write(say);
    const reply = await answer(socket, complete);
    if (!good.test(reply)) throw new NoTls(protocol, reply);
  }
}

export class NoTls extends Error {
  constructor(protocol: Protocol, reply: string) {
    super(`it does not begin TLS in ${protocol}: ${peerText(reply.trim(), 120)}`);
  }
}

function answer(socket: Socket, complete: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const settle = (end: () => void): void => {
      socket.off('data', onData).off('error', onError).off('close', onClose);
      socket.pause();
      end();
    };
    const onData = (chunk: Buffer): void => {
      received += chunk.toString('latin1');
      if (complete.test(received) || received.length > LIMIT) settle(() => resolve(received));
    };
    const onError = (thrown: Error): void => settle(() => reject(thrown));
    const onClose = (): void =>
      settle(() => reject(Object.assign(new Error('connection closed before TLS began'), { code: 'CLOSED' })));
    socket.on('data', onData).on('error', onError).on('close', onClose);
    socket.resume();
  });
}
