import type { Sighting } from '../../core/recognizer.ts';
import { shown, talk } from './talk.ts';

type Look = (
  target: { address: string; port: number },
  options: { timeoutMs: number; signal: AbortSignal },
) => Promise<Sighting | undefined>;

/** PING, and INFO where it is allowed without a password. */
export const lookRedis: Look = async (target, options) => {
  const connection = await talk(target, options);
  if (!connection) return undefined;
  try {
    connection.write('*1\r\n$4\r\nPING\r\n');
    const reply = (await connection.read(options.timeoutMs, (received) => received.includes('\r\n'))).toString(
      'latin1',
    );
    if (
      !/^(\+PONG|-(NOAUTH|DENIED|LOADING|NOPERM|MASTERDOWN|ERR (operation not permitted|max number of clients)))/.test(
        reply,
      )
    )
      return undefined;
    let info = '';
    if (reply.startsWith('+PONG')) {
      connection.write('*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n');
      info = (
        await connection.read(
          options.timeoutMs,
          (received) => received.includes('\r\n\r\n') || received.includes('executable:') || received[0] === 0x2d,
        )
      ).toString('latin1');
    }
    const product = /valkey_version:/.test(info) ? 'valkey' : /dragonfly_version:/.test(info) ? 'dragonfly' : 'redis';
    const version = /(?:valkey|dragonfly|redis)_version:v?([\w.-]{1,30})/.exec(
      product === 'redis' ? info : info.replace(/redis_version:\S+/, ''),
    )?.[1];
    return {
      source: 'handshake',
      protocol: 'redis',
      product,
      version,
      tls: false,
      detail: `answers PING with ${shown(reply, 60)}`,
      fields: {},
    };
  } finally {
    connection.end();
  }
};

export const lookMemcached: Look = async (target, options) => {
  const connection = await talk(target, options);
  if (!connection) return undefined;
  try {
    connection.write('version\r\n');
    const reply = (await connection.read(options.timeoutMs, (received) => received.includes('\r\n'))).toString(
      'latin1',
    );
    const version = /^VERSION (\d[\w.-]{0,30})\r\n/.exec(reply)?.[1];
    return version
      ? {
          source: 'handshake',
          protocol: 'memcached',
          product: 'memcached',
          version,
          tls: false,
          detail: `answers version with ${shown(reply, 60)}`,
          fields: {},
        }
      : undefined;
  } finally {
    connection.end();
  }
};
