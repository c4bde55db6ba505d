import { type Socket, connect } from 'node:net';
import type { ProbeResult } from '../../core/check.ts';
import { startDeadline } from './deadline.ts';
import type { Lookup } from './names.ts';
import { endingResult, networkFailure } from './network-failure.ts';
import { type ProbeOptions, saw } from './result.ts';

export interface Dialog {
  /** Said as soon as the connection stands; absent where the server speaks first. */
  readonly opening?: Uint8Array | string | undefined;
  /** What is waited for, for the message at the deadline: 'greeting', 'answer to PING'. */
  readonly awaited: string;
  /** Called with everything received so far, until it returns a result. */
  answer(received: Buffer, socket: Socket, startedAt: number): ProbeResult | undefined;
}

const RECEIVE_LIMIT = 16 * 1024;

/** Connects, talks, judges, closes. Whatever the peer does becomes a result. */
export function converse(
  { host, port }: { host: string; port: number },
  { opening, awaited, answer }: Dialog,
  options: ProbeOptions,
  lookup: Lookup,
): Promise<ProbeResult> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    let received: Buffer = Buffer.alloc(0);
    let connected = false;
    const socket = connect({ host, port, lookup, noDelay: true });
    const finish = (result: ProbeResult): void => {
      clear();
      socket.destroy();
      resolve(result);
    };
    const depth = (): ProbeResult['depth'] => (connected ? 'connect' : 'presence');
    const clear = startDeadline(options.timeoutMs, options.signal, (ending) =>
      finish(endingResult(ending, options.timeoutMs, depth(), startedAt, connected ? awaited : 'connection')),
    );
    socket.on('connect', () => {
      connected = true;
      if (opening !== undefined) socket.write(opening);
    });
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const result = answer(received, socket, startedAt);
      if (result) finish(result);
      else if (received.length > RECEIVE_LIMIT)
        finish(saw('down', 'connect', `it talks without giving the ${awaited}`, startedAt));
    });
    socket.on('error', (thrown) => finish(networkFailure(thrown, depth(), startedAt)));
    socket.on('end', () => finish(saw('down', 'connect', `connection closed before the ${awaited}`, startedAt)));
  });
}
