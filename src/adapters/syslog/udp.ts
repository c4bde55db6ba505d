import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SyslogMessage } from '../../core/syslog.ts';
import { type Destination, translate } from './destination.ts';
import { format } from './format.ts';

/** Long enough for a machine nearby to say that nobody listens there. */
const OBJECTION_MS = 50;

/** Datagrams: what a peer drops, nobody hears of. That nobody listens is noticed where the network tells. */
export async function sendByUdp(messages: readonly SyslogMessage[], to: Destination): Promise<void> {
  const socket = createSocket(isIPv6(to.resolved) ? 'udp6' : 'udp4');
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined); // it may fail when nobody waits any more
  socket.on('error', (error) => failed.reject(error));
  const stop = (): void => failed.reject(to.signal.reason);
  to.signal.addEventListener('abort', stop, { once: true });
  try {
    to.signal.throwIfAborted();
    socket.connect(to.port, to.resolved);
    await Promise.race([once(socket, 'connect'), failed.promise]);
    for (const message of messages) {
      const sent = Promise.withResolvers<void>();
      socket.send(format(message, to.facility), (error) => (error ? sent.reject(error) : sent.resolve()));
      await Promise.race([sent.promise, failed.promise]);
    }
    await Promise.race([sleep(OBJECTION_MS), failed.promise]);
  } catch (thrown) {
    throw translate(thrown, to);
  } finally {
    to.signal.removeEventListener('abort', stop);
    socket.close();
  }
}
